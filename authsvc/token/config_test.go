package token

import (
	"strings"
	"testing"
	"time"
)

var configTests = []struct {
	name string
	cfg  Config
	want string // the mistakes, a line each; a prefix of each is enough
}{
	{"nothing", Config{}, ""},
	{"all", Config{Issuer: "Acme auth server", Service: "Docker registry", Expiration: 300, Root: Root{"a", "b"}, RootFile: "c"}, ""},
	{"shortest", Config{Expiration: 60}, ""},
	{"longest", Config{Expiration: 86400}, ""},
	{"too short", Config{Expiration: 59}, "expiration: 59 is not between 60 and 86400 seconds"},
	{"too long", Config{Expiration: 86401}, "expiration: 86401 is not"},
	{"negative", Config{Expiration: -1}, "expiration: -1 is not"},
	{"issuer with a quote", Config{Issuer: `a"b`}, "issuer: "},
	{"service with a backslash", Config{Service: `a\b`}, "service: "},
	{"service with a line break", Config{Service: "a\nb"}, "service: "},
	{"service that is not ASCII", Config{Service: "régistry"}, "service: "},
	{"service with a space behind it", Config{Service: "registry "}, "service: "},
	{"root without key", Config{Root: Root{Cert: "a"}}, "root.key: is missing"},
	{"root without certificate", Config{Root: Root{Key: "a"}}, "root.cert: is missing"},
	{"root file over the key", Config{Root: Root{"a", "k/b"}, RootFile: "./k/b"}, "root_file: is written by the gate"},
	{"no grace", Config{Grace: new(time.Duration), GraceManifest: new(time.Duration)}, ""},
	{"longest grace", Config{Expiration: 23 * 3600, Grace: new(24 * time.Hour), GraceManifest: new(time.Hour)}, ""},
	{"grace too long", Config{Grace: new(25 * time.Hour), GraceManifest: new(2 * time.Hour)},
		"grace: 25h0m0s is not between 0s and 24h0m0s\ngrace_manifest: 2h0m0s is not between 0s and 1h0m0s"},
	{"negative grace", Config{Grace: new(time.Duration(-1)), GraceManifest: new(time.Duration(-1))}, "grace: -1ns is not\ngrace_manifest: -1ns is not"},
	{"grace longer than keys are kept", Config{Expiration: 86400, Grace: new(24 * time.Hour)},
		"grace: 24h0m0s and an expiration of 86400 seconds are 48h0m0s together, and keys of tokens are kept for 47h0m0s"},
	{"shortest refresh", Config{Refresh: Refresh{Life: 24 * time.Hour, Max: 24 * time.Hour}}, ""},
	{"longest refresh", Config{Refresh: Refresh{Life: 8760 * time.Hour, Max: 87600 * time.Hour}}, ""},
	{"refresh too short", Config{Refresh: Refresh{Life: time.Hour, Max: time.Hour}},
		"refresh.life: 1h0m0s is not between 24h0m0s and 8760h0m0s\nrefresh.max: 1h0m0s is neither 0s, for ever, nor between 24h0m0s and 87600h0m0s"},
	{"refresh too long", Config{Refresh: Refresh{Life: 8761 * time.Hour, Max: 87601 * time.Hour}}, "refresh.life: 8761h0m0s is not\nrefresh.max: 87601h0m0s is neither"},
	{"refresh below zero", Config{Refresh: Refresh{Life: -1, Max: -1}}, "refresh.life: -1ns is not\nrefresh.max: -1ns is neither"},
	{"all mistakes at once", Config{Issuer: " ", Expiration: 1, Root: Root{Cert: "a"}}, "issuer: \nexpiration: 1\nroot.key: "},
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range configTests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("Validate() = %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("Validate() = nil, want %q", tt.want)
			}
			got, want := strings.Split(err.Error(), "\n"), strings.Split(tt.want, "\n")
			if len(got) != len(want) {
				t.Fatalf("Validate() = %q, want %q", got, want)
			}
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("Validate() line %d = %q, want %q", i, got[i], want[i])
				}
			}
		})
	}
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c := Config{}.WithDefaults()
	if err := c.Validate(); err != nil || c.Issuer == "" || c.Service == "" || c.Expiration != 900 || *c.Grace != 6*time.Hour || *c.GraceManifest != 5*time.Minute || c.Refresh != (Refresh{Life: 720 * time.Hour}) {
		t.Errorf("WithDefaults() = %+v, %v", c, err)
	}
	set := Config{Issuer: "a", Service: "b", Expiration: 60, Grace: new(time.Duration), GraceManifest: new(time.Duration), Refresh: Refresh{Life: 48 * time.Hour, Max: 72 * time.Hour}}
	if got := set.WithDefaults(); got != set {
		t.Errorf("WithDefaults() changed %+v to %+v", set, got)
	}
}

func TestRefreshReadsItsShortForm(t *testing.T) {
	t.Parallel()
	r := Refresh{Life: time.Hour}
	if err := r.UnmarshalText([]byte("off")); err != nil || r != (Refresh{Off: true}) {
		t.Errorf("off is %+v, %v", r, err)
	}
	for _, text := range []string{"", "on", "Off", "false", "720h"} {
		if err := new(Refresh).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
