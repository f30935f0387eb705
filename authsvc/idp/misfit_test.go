package idp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// misfits are what whoever runs the gate has to mend, and what the log says of it.
var misfits = []struct {
	name    string
	prepare func(*openid)
	change  func(*OIDCConfig)
	want    string // "" if it is none
}{
	{"unknown client", refusing(401, object{"error": "invalid_client", "error_description": "no such\x00 client"}), nil,
		"answers 401: invalid_client: no such  client…: client_id or client_secret is wrong"},
	{"client that may not", refusing(400, object{"error": "unauthorized_client"}), nil, "client_id or client_secret is wrong"},
	{"other words for it", refusing(200, object{"error": "incorrect_client_credentials"}), nil, "client_id or client_secret is wrong"},
	{"call-back that is not registered", refusing(400, object{"error": "redirect_uri_mismatch"}), nil, "register the address"},
	{"another issuer", func(o *openid) {
		o.broken("/.well-known", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, object{"issuer": "https://other.test"}) })
	}, nil, "write issuer as it does"},
	{"no issuer", nil, func(c *OIDCConfig) { c.Issuer += "/realm" }, "a path too many or too few"},
	{"no claim that is the account", nil, byName, "there is no claim name, which is the account: it may need a scope"},
	{"nothing said of the address", func(o *openid) { delete(o.claims, "email_verified") }, nil, "have it send email_verified"},
	{"provider that is down", func(o *openid) { o.broken("/token", http.NotFound) }, nil, ""},
	{"provider that is busy", refusing(429, object{"error": "slow_down"}), nil, ""},
}

func refusing(status int, with object) func(*openid) {
	return func(o *openid) {
		o.broken("/token", func(w http.ResponseWriter, _ *http.Request) { refuseJSON(w, status, with) })
	}
}

func TestMisfits(t *testing.T) {
	for _, tt := range misfits {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpenID(t)
			if tt.prepare != nil {
				tt.prepare(o)
			}
			_, err := o.login(o.provider(t, tt.change))
			var wrong *Misfit
			if err == nil || isRefusal(err) || errors.As(err, &wrong) != (tt.want != "") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("login = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestUnknownCAIsSaid(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	p, err := NewOIDC(OIDCConfig{Client: gate(), Issuer: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.AuthURL(t.Context(), Start{})
	if wrong := (*Misfit)(nil); !errors.As(err, &wrong) || !strings.Contains(wrong.Mend, "ca_certificate") {
		t.Errorf("AuthURL() = %v", err)
	}
}

// TestWhoWasRefused is in the log, for whoever is asked why.
func TestWhoWasRefused(t *testing.T) {
	o, g, l := newOpenID(t), newGitHub(t), newGitLab(t)
	o.claims["email_verified"] = false
	g.state = "pending"
	l.state = "blocked"
	for _, p := range []struct {
		fake *fake
		p    anyProvider
	}{{o.fake, o.provider(t, nil)}, {g.fake, g.provider(t)}, {l.fake, l.provider(t, nil)}} {
		_, err := p.fake.login(p.p)
		if no := (*Refusal)(nil); !errors.As(err, &no) || !strings.HasPrefix(no.Who, "alice") {
			t.Errorf("%T: login = %#v", p.p, err)
		}
	}
}

func TestMissingClaims(t *testing.T) {
	o := newOpenID(t)
	o.claims["roles"] = []string{}
	who := o.in(o.provider(t, func(c *OIDCConfig) { c.LabelClaims = []string{"groups", "roles", "teams"} }))
	if len(who.Missing) != 1 || who.Missing[0] != "teams" {
		t.Errorf("Missing = %q", who.Missing)
	}
}
