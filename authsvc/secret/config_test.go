package secret

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	const d = 24 * time.Hour
	for _, tt := range []struct {
		name    string
		cfg     Config
		want    []time.Duration
		invalid bool
	}{
		{"nothing", Config{}, []time.Duration{30 * d, 90 * d, 365 * d}, false},
		{"endless", Config{Endless: true}, []time.Duration{30 * d, 90 * d, 365 * d, 0}, false},
		{"a month", Config{MaxLife: 30 * d}, []time.Duration{30 * d}, false},
		{"less", Config{MaxLife: d}, []time.Duration{d}, false},
		{"between", Config{MaxLife: 100 * d}, []time.Duration{30 * d, 90 * d, 100 * d}, false},
		{"two years", Config{MaxLife: 730 * d}, []time.Duration{30 * d, 90 * d, 365 * d, 730 * d}, false},
		{"a minute", Config{MaxLife: time.Minute}, nil, true},
		{"negative", Config{MaxLife: -d}, nil, true},
		{"a century", Config{MaxLife: 36500 * d}, nil, true},
	} {
		if err := tt.cfg.Validate(); (err != nil) != tt.invalid {
			t.Errorf("%s: Validate() = %v", tt.name, err)
		}
		if got := tt.cfg.Lives(); !tt.invalid && !slices.Equal(got, tt.want) {
			t.Errorf("%s: Lives() = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestEnds(t *testing.T) {
	now := time.Unix(1800000000, 0)
	short, endless := Config{MaxLife: 30 * day}, Config{Endless: true}
	for _, tt := range []struct {
		name   string
		config Config
		kind   string
		wish   Wish
		want   time.Duration // 0 is never, below is an error
	}{
		{"a token", Config{}, Personal, Wish{}, 90 * day},
		{"a token, where they are short", short, Personal, Wish{}, 30 * day},
		{"a token that says", Config{}, Personal, Wish{Life: time.Hour}, time.Hour},
		{"the longest", Config{}, Personal, Wish{Life: 365 * day}, 365 * day},
		{"longer", Config{}, Personal, Wish{Life: 365*day + 1}, -1},
		{"longer, where they are short", short, Personal, Wish{Life: 31 * day}, -1},
		{"for ever", Config{}, Personal, Wish{Endless: true}, -1},
		{"for ever, where that may be", endless, Personal, Wish{Endless: true}, 0},
		{"both", endless, Personal, Wish{Life: day, Endless: true}, -1},
		{"below zero", endless, Personal, Wish{Life: -day}, -1},
		{"a robot that says nothing", endless, Robot, Wish{}, -1},
		{"a robot", short, Robot, Wish{Life: 400 * day}, 400 * day},
		{"a robot for ever", short, Robot, Wish{Endless: true}, 0},
		{"a robot for very long", short, Robot, Wish{Life: 3651 * day}, -1},
	} {
		got, err := tt.config.Ends(tt.kind, tt.wish, now)
		want := time.Time{}
		if tt.want > 0 {
			want = now.Add(tt.want)
		}
		if errors.Is(err, ErrLife) != (tt.want < 0) || !got.Equal(want) {
			t.Errorf("%s: Ends() = %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}
