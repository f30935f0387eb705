package metrics

import "github.com/prometheus/client_golang/prometheus"

// tokens are the answers of the token service.
type tokens struct {
	issued  prometheus.Counter
	refused *prometheus.CounterVec
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
	}
}

// Token counts a request for a token: refused is "" if one was issued, or else
// the name of an error's kind.
func (t *tokens) Token(refused string) {
	if refused == "" {
		t.issued.Inc()
		return
	}
	t.refused.WithLabelValues(refused).Inc()
}
