package idp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// echoes are ways in which a provider says again what it was told.
var echoes = map[string]func(w http.ResponseWriter, said string){
	"body": func(w http.ResponseWriter, said string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, said)
	},
	"body of good JSON": func(w http.ResponseWriter, said string) { answerJSON(w, said) },
	"bad JSON": func(w http.ResponseWriter, said string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %s}`, said)
	},
	"error": func(w http.ResponseWriter, said string) {
		refuseJSON(w, http.StatusBadRequest, object{"error": said, "error_description": said, "error_uri": said})
	},
	"error of another kind": func(w http.ResponseWriter, said string) {
		refuseJSON(w, http.StatusUnauthorized, object{"error": "invalid_client", "error_description": said})
	},
	"clear no": func(w http.ResponseWriter, said string) {
		refuseJSON(w, http.StatusBadRequest, object{"error": "invalid_grant", "error_description": said})
	},
	"number": func(w http.ResponseWriter, said string) {
		answerJSON(w, object{"access_token": "x", "expires_in": said})
	},
	"token": func(w http.ResponseWriter, said string) {
		answerJSON(w, object{"access_token": said, "id_token": said})
	},
	"ID token": func(w http.ResponseWriter, said string) {
		answerJSON(w, object{"access_token": "x", "id_token": "a." + said + ".c"})
	},
	"form": func(w http.ResponseWriter, said string) { fmt.Fprint(w, "access_token=%zz&x="+url.QueryEscape(said)) },
	"place": func(w http.ResponseWriter, said string) {
		w.Header().Set("Location", "http://evil.test/?"+url.QueryEscape(said))
		w.WriteHeader(http.StatusFound)
	},
	"place that is none": func(w http.ResponseWriter, said string) {
		w.Header().Set("Location", "http://%zz/"+url.QueryEscape(said))
		w.WriteHeader(http.StatusFound)
	},
	"header": func(w http.ResponseWriter, said string) {
		w.Header().Set("Link", url.QueryEscape(said))
		w.WriteHeader(http.StatusTeapot)
	},
}

// TestNothingIsSaidInConfidenceTwice: whatever a provider answers, an error
// holds nothing that it was told, or has told, in confidence.
func TestNothingIsSaidInConfidenceTwice(t *testing.T) {
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			back := func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				said := string(body) + " " + r.Header.Get("Authorization")
				if user, password, ok := r.BasicAuth(); ok {
					said += " " + user + " " + password
				}
				if plain, err := url.QueryUnescape(said); err == nil {
					said += " " + plain
				}
				echo(w, said)
			}
			g, l, o := newGitHub(t), newGitLab(t), newOpenID(t)
			o.info = object{}
			o.claims["groups"] = nil
			google, err := newGoogle(GoogleConfig{Client: gate()}, o.url)
			for _, tt := range []struct {
				fake *fake
				p    anyProvider
				at   []string
			}{
				{g.fake, g.provider(t), []string{"/login", "/api/v3/user", "/api/v3/user/memberships", "/api/v3/user/teams"}},
				{l.fake, l.provider(t, nil), []string{"/oauth", "/api/v4/user", "/api/v4/groups"}},
				{o.fake, o.provider(t, nil), []string{"/token", "/userinfo", "/jwks"}},
				{o.fake, must(t, google, err), []string{"/token"}},
			} {
				for _, at := range tt.at {
					tt.fake.broken(at, back)
					_, err := tt.fake.login(tt.p)
					confidential(t, err)
					_, err = tt.p.Renew(t.Context(), "alice", "refresh:refresh-token-0123456789")
					confidential(t, err)
					_, err = tt.p.Renew(t.Context(), "alice", "access:access-token-0123456789")
					confidential(t, err)
				}
			}
		})
	}
}

// TestRudeServersAreNotQuoted: net/http shows the first line of what is no HTTP.
func TestRudeServersAreNotQuoted(t *testing.T) {
	for name, answer := range map[string]func(string) string{
		"no HTTP":   func(said string) string { return said[strings.LastIndexByte(said, '\n')+1:] + "\r\n\r\n" },
		"no status": func(said string) string { return "HTTP/1.1 " + said[strings.LastIndexByte(said, '\n')+1:] + "\r\n\r\n" },
		"bad header": func(said string) string {
			return "HTTP/1.1 200 OK\r\n" + said[strings.LastIndexByte(said, '\n')+1:] + "\r\n\r\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewGitHub(GitHubConfig{Client: gate(), GitHubWebURI: rude(t, answer)})
			_, err = must(t, p, err).Exchange(t.Context(), Return{callback, "code-0123456789", someNonce, someVerifier})
			if err == nil {
				t.Fatal("a login without an answer")
			}
			confidential(t, err)
		})
	}
}

var secretText = regexp.MustCompile(`client-secret|code-\d|verifier-\d|refresh-[0-9t]|access-[0-9t]|nonce-\d|state-\d`)

func confidential(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if text := fmt.Sprintf("%v %+v %#v", e, e, e); secretText.MatchString(text) {
			t.Errorf("the error has a secret in it: %s", text)
		}
	}
}

// TestLongIssuerIsNotLogged: what a server says that it is may be a megabyte,
// and anybody can have it asked.
func TestLongIssuerIsNotLogged(t *testing.T) {
	o := newOpenID(t)
	o.broken("/.well-known", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, object{"issuer": strings.Repeat("x", maxBody/2)})
	})
	_, err := o.provider(t, nil).AuthURL(t.Context(), Start{Redirect: callback, State: someState, Nonce: someNonce, Verifier: someVerifier})
	if err == nil || len(err.Error()) > maxMessage+len("…: write issuer as it does") {
		t.Errorf("AuthURL() = an error of %d bytes", len(err.Error()))
	}
}

func TestDiscreetCutsAndCleans(t *testing.T) {
	long := errors.New(strings.Repeat("é\n", 1000))
	if got := discreet(long).Error(); len(got) > maxMessage+len("…") || strings.Contains(got, "\n") || !strings.HasPrefix(got, "é é") {
		t.Errorf("discreet() = %q", got)
	}
	no := &Refusal{Msg: "no: secret-of-mine"}
	if got := discreet(no, "secret-of-mine"); got != error(no) {
		t.Errorf("discreet() of a refusal = %v", got)
	}
	short := errors.New("answers 502")
	if got := discreet(short, "x", ""); got != short {
		t.Errorf("discreet() = %v", got)
	}
}
