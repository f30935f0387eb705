package acl

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Refresh says how often rules that are kept somewhere else are read. It is
// part of the Config of whoever reads them.
type Refresh struct {
	// CacheTTL is how long rules are used before they are read again: a change
	// acts after this time, at the next token. 1s to 24h, default 1m.
	CacheTTL *time.Duration `yaml:"cache_ttl"`
}

const (
	defaultCacheTTL = time.Minute
	leastCacheTTL   = time.Second
	mostCacheTTL    = 24 * time.Hour
)

// Every is CacheTTL or its default.
func (r Refresh) Every() time.Duration {
	if r.CacheTTL == nil {
		return defaultCacheTTL
	}
	return *r.CacheTTL
}

// Validate reports all mistakes.
func (r Refresh) Validate() error {
	var l problem.List
	switch every := r.Every(); {
	case every == 0:
		l.Addf("cache_ttl", "0s is no time: leave the key out for %s, or write one such as 30s", defaultCacheTTL)
	case every < leastCacheTTL || every > mostCacheTTL:
		l.Addf("cache_ttl", "%s is not between %s and %s", every, leastCacheTTL, mostCacheTTL)
	}
	return l.Err()
}

// size is about how much text there is.
func (c Config) size() (bytes int) {
	for _, r := range c {
		bytes += len(r.Comment)
		for _, a := range r.Actions {
			bytes += len(a)
		}
		if r.Match != nil {
			bytes += r.Match.size()
		}
	}
	return bytes
}

func (m *Match) size() (bytes int) {
	for _, p := range append([]*string{m.IP}, m.Account, m.Type, m.Name, m.Service) {
		if p != nil {
			bytes += len(*p)
		}
	}
	for label, p := range m.Labels {
		bytes += len(label) + len(p)
	}
	return bytes
}

// brief keeps the first mistakes of a list, which may have one for each rule.
func brief(err error) error {
	const most = 3
	var l problem.List
	if !errors.As(err, &l) || len(l) == 0 {
		return err
	}
	var lines []string
	for _, p := range l[:min(most, len(l))] {
		lines = append(lines, "rule "+p.Error())
	}
	if more := len(l) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(lines, "; "))
}

// tell is the text of err without the port that the gate happened to have,
// which differs each time.
func tell(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		return strings.ReplaceAll(err.Error(), op.Source.String(), "")
	}
	return err.Error()
}
