package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An Upstream is the state of one server of a registry.
type Upstream struct {
	Registry string // its name in the configuration
	Endpoint string // host:port
	Up       bool
	Busy     int64 // requests that it is answering
}

// A Certificate is what the listener shows for one host.
type Certificate struct {
	Host     string
	NotAfter time.Time // zero if there is none yet
	Reason   string    // what keeps the host from one, or from a newer one; "" if nothing has failed
}

// Waiting is the reason of hosts that have no certificate although nothing has
// failed: they have not been waiting for long.
const Waiting = "waiting"

// ShowUpstreams asks now at each scrape, so that what a reload took away is
// no longer shown. Each pair of registry and endpoint must occur once.
func (m *Metrics) ShowUpstreams(now func() []Upstream) {
	m.register(states{
		desc: desc("upstream_up", "Whether a server of a registry takes requests.", "registry", "endpoint"),
		list: func(emit emitter) {
			for _, u := range now() {
				emit(number(u.Up), u.Registry, u.Endpoint)
			}
		},
	})
	m.register(states{
		desc: desc("upstream_requests_in_flight", "Transfers and other requests that a server of a registry is answering.", "registry", "endpoint"),
		list: func(emit emitter) {
			for _, u := range now() {
				emit(float64(u.Busy), u.Registry, u.Endpoint)
			}
		},
	})
}

// A Left is how many requests a server of somebody else's registry lets the gate
// have before it refuses some.
type Left struct {
	Registry string // its name in the configuration
	Endpoint string // host:port
	Requests int64
}

// ShowLeft asks now at each scrape. Each pair of registry and endpoint must
// occur at most once.
func (m *Metrics) ShowLeft(now func() []Left) {
	m.register(states{
		desc: desc("mirror_ratelimit_remaining", "Requests that a registry of somebody else has last said to have left for the gate.", "registry", "endpoint"),
		list: func(emit emitter) {
			for _, l := range now() {
				emit(float64(l.Requests), l.Registry, l.Endpoint)
			}
		},
	})
}

// ShowCertificates asks now at each scrape. A host without a certificate has
// no time at which it ends. The reasons are those that there can be: all are
// shown at all times, so that an alert sees them come and go.
func (m *Metrics) ShowCertificates(reasons []string, now func() []Certificate) {
	m.register(states{
		desc: desc("certificate_expiry_timestamp_seconds", "When the certificate of a host ends.", "host"),
		list: func(emit emitter) {
			for _, c := range now() {
				if !c.NotAfter.IsZero() {
					emit(float64(c.NotAfter.Unix()), c.Host)
				}
			}
		},
	})
	m.register(states{
		desc: desc("certificates_pending", "Hosts without a certificate, by what keeps them from one.", "reason"),
		list: func(emit emitter) {
			n := pending(now())
			for _, r := range append([]string{Waiting}, reasons...) {
				emit(float64(n[r]), r)
			}
		},
	})
	m.register(states{
		desc: desc("certificate_failing", "Always 1: the last attempt to get or to renew the certificate of a host has failed.", "host", "reason"),
		list: func(emit emitter) {
			for _, c := range now() {
				if c.Reason != "" {
					emit(1, c.Host, c.Reason)
				}
			}
		},
	})
}

// pending counts the hosts without a certificate by reason.
func pending(all []Certificate) map[string]int {
	n := map[string]int{}
	for _, c := range all {
		switch {
		case !c.NotAfter.IsZero():
		case c.Reason == "":
			n[Waiting]++
		default:
			n[c.Reason]++
		}
	}
	return n
}

// ShowDraining asks now at each scrape whether the gate is about to stop.
func (m *Metrics) ShowDraining(now func() bool) {
	m.register(states{
		desc: desc("draining", "Whether the gate is about to stop."),
		list: func(emit emitter) { emit(number(now())) },
	})
}

// ShowEnding asks now at each scrape how many secrets of robots end soon, by
// within what time. It counts them: a series for each robot would be as many as
// people make.
func (m *Metrics) ShowEnding(now func() map[string]int) {
	m.register(states{
		desc: desc("tokens_expiring", "Secrets of robots that end soon and have not been replaced, by within what time; the log has their names.", "within"),
		list: func(emit emitter) {
			for within, n := range now() {
				emit(float64(n), within)
			}
		},
	})
}

type emitter func(value float64, labels ...string)

// states are a metric that is made at each scrape.
type states struct {
	desc *prometheus.Desc
	list func(emitter)
}

func (s states) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

func (s states) Collect(ch chan<- prometheus.Metric) {
	s.list(func(value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, value, labels...)
	})
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
