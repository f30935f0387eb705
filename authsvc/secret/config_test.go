package secret

import (
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
