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
type transfers struct{ bytes *prometheus.CounterVec }

func newTransfers() transfers {
	t := transfers{prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace,
		Name:      "transfer_bytes_total",
		Help:      "Bytes of bodies, in from clients or out to them.",
	}, []string{"direction"})}
	for _, d := range []Direction{In, Out} { // so that they are there at 0
		t.bytes.WithLabelValues(string(d))
	}
	return t
}

// Bytes counts what was streamed.
func (t *transfers) Bytes(d Direction, n int64) {
	if n > 0 {
		t.bytes.WithLabelValues(string(d)).Add(float64(n))
	}
}
