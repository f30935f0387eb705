package token

import (
	"fmt"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Refresh says whether clients are given a refresh token when their users log
// in, to keep it instead of the password. In a file, "refresh: off" stands for
// {off: true}.
type Refresh struct {
	// Off turns refresh tokens off: clients keep passwords, and whoever has a
	// refresh token must log in again. Default false.
	Off bool `yaml:"off"`

	// Life is how long a refresh token is good after its last use, 24h to 8760h.
	// A shorter one ends those that have not been used for longer. Default 720h.
	Life time.Duration `yaml:"life" zero:"no"`

	// Max is how long it is good at most, however much it is used, up to 87600h.
	// Default 0s, which is for ever.
	Max time.Duration `yaml:"max"`
}

// UnmarshalText reads the short form.
func (r *Refresh) UnmarshalText(text []byte) error {
	if string(text) != "off" {
		return fmt.Errorf("%q is neither off nor a mapping such as {life: 720h}", text)
	}
	*r = Refresh{Off: true}
	return nil
}

const (
	defaultRefresh  = 720 * time.Hour
	leastRefresh    = 24 * time.Hour
	mostRefresh     = 8760 * time.Hour
	mostRefreshEver = 87600 * time.Hour
)

func (r Refresh) withDefaults() Refresh {
	if r.Life == 0 {
		r.Life = defaultRefresh
	}
	return r
}

// Validate reports every mistake.
func (r Refresh) Validate() error {
	var l problem.List
	r = r.withDefaults()
	if r.Life < leastRefresh || r.Life > mostRefresh {
		l.Addf("life", "%v is not between %v and %v", r.Life, leastRefresh, mostRefresh)
	}
	if r.Max != 0 && (r.Max < leastRefresh || r.Max > mostRefreshEver) {
		l.Addf("max", "%v is neither 0s, for ever, nor between %v and %v", r.Max, leastRefresh, mostRefreshEver)
	}
	return l.Err()
}
