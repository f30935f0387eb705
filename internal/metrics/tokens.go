package metrics

import "github.com/prometheus/client_golang/prometheus"

// tokens are the answers of the token service.
type tokens struct {
	issued  prometheus.Counter
	refused *prometheus.CounterVec
	limited *prometheus.CounterVec
}

func newTokens() tokens {
	return tokens{
		issued: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "tokens_issued_total",
			Help:      "Tokens that were given out.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "tokens_refused_total",
			Help:      "Requests for a token that were refused, by the kind of the error.",
		}, []string{"reason"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "logins_limited_total",
			Help:      "Passwords that were not looked at because there were too many wrong ones, from the network, or from there for the account.",
		}, []string{"by"}),
	}
}

// Login counts a password that was not looked at, by the limit that was
// reached: network or account.
func (t *tokens) Login(by string) { t.limited.WithLabelValues(by).Inc() }

// Token counts a request for a token: refused is "" if one was issued, or else
// the name of an error's kind.
func (t *tokens) Token(refused string) {
	if refused == "" {
		t.issued.Inc()
		return
	}
	t.refused.WithLabelValues(refused).Inc()
}
