package secret

import (
	"slices"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Config is personal_tokens: which tokens people can make.
type Config struct {
	// MaxLife is the longest life that a token can be given. Default 8760h, a year.
	MaxLife time.Duration `yaml:"max_life"`
	// Endless lets people make tokens that never expire. They still end with
	// their login, and when they are revoked. Default false.
	Endless bool `yaml:"endless"`
}

const (
	day            = 24 * time.Hour
	defaultMaxLife = 365 * day
	leastMaxLife   = time.Hour
	mostMaxLife    = 10 * 365 * day
)

func (c Config) withDefaults() Config {
	if c.MaxLife == 0 {
		c.MaxLife = defaultMaxLife
	}
	return c
}

// Validate reports all mistakes.
func (c Config) Validate() error {
	var l problem.List
	if life := c.withDefaults().MaxLife; life < leastMaxLife || life > mostMaxLife {
		l.Addf("max_life", "%v is not between %v and %v", life, leastMaxLife, mostMaxLife)
	}
	return l.Err()
}

// Lives are those that people can choose from, the shortest first; 0 is for
// ever, and the last.
func (c Config) Lives() []time.Duration {
	c = c.withDefaults()
	lives := []time.Duration{30 * day, 90 * day, 365 * day}
	lives = slices.DeleteFunc(lives, func(life time.Duration) bool { return life > c.MaxLife })
	if len(lives) == 0 || c.MaxLife > lives[len(lives)-1] {
		lives = append(lives, c.MaxLife)
	}
	if c.Endless {
		lives = append(lives, 0)
	}
	return lives
}
