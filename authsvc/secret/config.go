package secret

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/regate/regate/internal/problem"
)

// Config is personal_tokens: which tokens people can make. Those who use
// `regate token` for them have the same limits; robots have others, see Ends.
type Config struct {
	// MaxLife is the longest life that a token can be given. Default 8760h, a year.
	MaxLife time.Duration `yaml:"max_life" zero:"no"`
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

// usualLife is that of a personal token of which nobody says how long it is to
// be good.
const usualLife = 90 * day

// ErrLife says that a secret cannot be good for so long.
var ErrLife = errors.New("not for so long")

// A Wish is how long somebody wants a secret to be good.
type Wish struct {
	Life    time.Duration // 0 is nothing in particular
	Endless bool
}

// Ends is when a secret of a kind ends that is made now; the zero time is never.
// Robots have no max_life, but somebody has to say how long they are good: nobody
// is reminded of a robot by using it.
func (c Config) Ends(kind string, w Wish, now time.Time) (time.Time, error) {
	c = c.withDefaults()
	switch {
	case w.Life < 0, w.Life > 0 && w.Endless:
		return time.Time{}, fmt.Errorf("%w: say for how long, or that it is endless", ErrLife)
	case w.Endless && kind != Robot && !c.Endless:
		return time.Time{}, fmt.Errorf("%w: auth.personal_tokens.endless is not true", ErrLife)
	case w.Endless:
		return time.Time{}, nil
	case kind == Robot && w.Life == 0:
		return time.Time{}, fmt.Errorf("%w: say how long the secret of the robot is good, or that it is endless", ErrLife)
	case kind == Robot && w.Life > mostMaxLife:
		return time.Time{}, fmt.Errorf("%w: more than %s are endless", ErrLife, inDays(mostMaxLife))
	case kind != Robot && w.Life > c.MaxLife:
		return time.Time{}, fmt.Errorf("%w: auth.personal_tokens.max_life is %s", ErrLife, inDays(c.MaxLife))
	case w.Life == 0:
		w.Life = min(usualLife, c.MaxLife)
	}
	return now.Add(w.Life), nil
}

func inDays(d time.Duration) string {
	if d%day == 0 {
		return strconv.Itoa(int(d/day)) + " days"
	}
	return d.String()
}
