package upstream

import (
	"fmt"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Health says how it is found out which of several upstreams may be sent
// requests. With one alone there is nothing to choose: it is not probed, and
// always tried. In a file, "health: off" stands for {off: true}.
type Health struct {
	// Off turns probes off. Requests that get no answer are counted all the
	// same, and one request in each Interval tries an upstream that is down.
	Off bool `yaml:"off"`

	// Path is what a probe asks for, without credentials; the upstream's own
	// prefix comes before it. Any answer below 500 is a good one. Default "/",
	// which distribution answers with 503 while its own checks fail.
	Path string `yaml:"path"`

	// Interval is the time between two probes. Default 5s.
	Interval time.Duration `yaml:"interval"`

	// Timeout bounds a probe. Default 3s.
	Timeout time.Duration `yaml:"timeout"`

	// Healthy is how many good probes in a row bring an upstream back.
	// Default 2.
	Healthy int `yaml:"healthy"`

	// Unhealthy is how many bad ones in a row take it out. Default 3.
	Unhealthy int `yaml:"unhealthy"`

	// MaxFailures is how many requests in a row that get no answer, or 502,
	// 503 or 504, take it out at once. Default 3.
	MaxFailures int `yaml:"max_failures"`
}

// UnmarshalText reads the short form.
func (h *Health) UnmarshalText(text []byte) error {
	if string(text) != "off" {
		return fmt.Errorf("%q is neither off nor a mapping of keys", text)
	}
	*h = Health{Off: true}
	return nil
}

const (
	defaultInterval  = 5 * time.Second
	defaultProbe     = 3 * time.Second
	defaultHealthy   = 2
	defaultUnhealthy = 3

	mostInRow = 100
	leastWait = 100 * time.Millisecond // between two probes of one upstream
)

func (h Health) withDefaults() Health {
	if h.Path == "" {
		h.Path = "/"
	}
	if h.Interval == 0 {
		h.Interval = defaultInterval
	}
	if h.Timeout == 0 {
		h.Timeout = defaultProbe
	}
	for _, n := range [...]struct {
		value *int
		or    int
	}{{&h.Healthy, defaultHealthy}, {&h.Unhealthy, defaultUnhealthy}, {&h.MaxFailures, defaultUnhealthy}} {
		if *n.value == 0 {
			*n.value = n.or
		}
	}
	return h
}

// alone is the health of an upstream that is the only one: the last request
// says how it is.
func (h Health) alone() Health {
	h.Off, h.MaxFailures = true, 1
	return h
}

// trialPause is how often an upstream that is down is tried when no other is
// up either, so that clients need not wait for probes.
const trialPause = time.Second

// pause is the time between two requests that try an upstream that is down.
// Without probes there is no other way to find out.
func (h Health) pause() time.Duration {
	if h.Off {
		return h.Interval
	}
	return trialPause
}

// Validate returns all mistakes as a problem.List. It opens nothing.
func (h Health) Validate() error {
	var l problem.List
	if h.Path != "" && (h.Path[0] != '/' || strings.Trim(h.Path, plainBytes+"/") != "") {
		l.Addf("path", "%q is not a plain path that begins with a slash", h.Path)
	}
	if h.Interval != 0 && h.Interval < leastWait {
		l.Addf("interval", "%v is less than %v", h.Interval, leastWait)
	}
	if h.Timeout < 0 {
		l.Addf("timeout", "%v is negative", h.Timeout)
	}
	for _, n := range [...]struct {
		key   string
		value int
	}{{"healthy", h.Healthy}, {"unhealthy", h.Unhealthy}, {"max_failures", h.MaxFailures}} {
		if n.value < 0 || n.value > mostInRow {
			l.Addf(n.key, "%d is not between 1 and %d", n.value, mostInRow)
		}
	}
	return l.Err()
}
