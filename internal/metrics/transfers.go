package metrics

import "github.com/prometheus/client_golang/prometheus"

// A Direction is the way of the bytes, as seen from the gate.
type Direction string

// The directions.
const (
	In  Direction = "in"  // from clients
	Out Direction = "out" // to clients
)

// transfers are the bodies that are streamed.
type transfers struct {
	running *prometheus.GaugeVec
	bytes   *prometheus.CounterVec
}

func newTransfers() transfers {
	label := []string{"direction"}
	t := transfers{
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "transfers_in_flight",
			Help:      "Bodies that are being streamed, in from clients or out to them.",
		}, label),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "transfer_bytes_total",
			Help:      "Bytes of bodies, in from clients or out to them.",
		}, label),
	}
	for _, d := range []Direction{In, Out} { // so that they are there at 0
		t.running.WithLabelValues(string(d))
		t.bytes.WithLabelValues(string(d))
	}
	return t
}

// Transfer counts a body that begins to be streamed. The caller calls done
// when it is over.
func (t *transfers) Transfer(d Direction) (done func()) {
	g := t.running.WithLabelValues(string(d))
	g.Inc()
	return g.Dec
}

// Bytes counts what was streamed.
func (t *transfers) Bytes(d Direction, n int64) {
	if n > 0 {
		t.bytes.WithLabelValues(string(d)).Add(float64(n))
	}
}
