package authsvc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

var errAway = errors.New("program is gone")

// What is asked after the rules. They decide about web/ and pub/ for dev.
var outsideTests = []struct {
	name       string
	scope      string
	outside    func(acl.Ask) (oci.Actions, bool, error)
	wantStatus int
	wantScope  string
	wantBody   string
}{
	{"grants", "repository:ops/x:pull,push", answers(oci.All, true, nil), 200, "repository:ops/x:pull,push", ""},
	{"grants a part", "repository:ops/x:pull,push", answers(oci.Pull, true, nil), 200, "repository:ops/x:pull", ""},
	{"refuses", "repository:ops/x:pull", answers(0, true, nil), 200, "", ""},
	{"has nothing to say", "repository:ops/x:pull", answers(oci.Pull, false, nil), 200, "", ""},
	{"is not asked where a rule decides", "repository:web/x:pull repository:pub/x:pull,push", answers(0, false, errAway), 200, "repository:pub/x:pull repository:web/x:pull", ""},
	{"cannot tell", "repository:ops/x:pull", answers(0, false, errAway), 503, "", "cannot check permissions now"},
	{"cannot tell of one", "repository:web/x:pull repository:ops/x:pull", answers(oci.Pull, true, errAway), 503, "", "cannot check permissions now"},
	{"is busy", "repository:ops/x:pull", answers(0, false, fmt.Errorf("asking: %w", authn.ErrBusy)), 429, "", "TOOMANYREQUESTS"},
}

func answers(granted oci.Actions, decided bool, err error) func(acl.Ask) (oci.Actions, bool, error) {
	return func(acl.Ask) (oci.Actions, bool, error) { return granted, decided, err }
}

func TestWhoIsAskedAfterTheRules(t *testing.T) {
	for _, tt := range outsideTests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.outside = tt.outside
			w, body := r.ask(t, shown{method: "GET", query: "scope=" + strings.ReplaceAll(tt.scope, " ", "+"), basic: "dev:dev secret"})
			if w.Code != tt.wantStatus || !strings.Contains(w.Body.String(), tt.wantBody) {
				t.Fatalf("got %d %s, want %d with %s", w.Code, w.Body, tt.wantStatus, tt.wantBody)
			}
			if w.Code == 200 && body["scope"] != tt.wantScope {
				t.Errorf("scope = %q, want %q", body["scope"], tt.wantScope)
			}
			if w.Code != 200 && (w.Header().Get("Retry-After") == "" || body["token"] != nil) {
				t.Errorf("an answer without a decision: %v %s", w.Header(), w.Body)
			}
			if strings.Contains(w.Body.String(), errAway.Error()) {
				t.Errorf("the client reads the cause: %s", w.Body)
			}
		})
	}
}

// TestWhoIsAskedKnowsWhoAsks: what is handed on is what the rules would see.
func TestWhoIsAskedKnowsWhoAsks(t *testing.T) {
	r := newRig(t)
	var got []acl.Ask
	r.outside = func(a acl.Ask) (oci.Actions, bool, error) {
		got = append(got, a)
		return 0, true, nil
	}
	r.ask(t, shown{method: "GET", query: "scope=repository:ops/x:pull&scope=repository:ops/y:push", basic: "dev:dev secret"})
	if len(got) != 2 || got[0].Want.String() != "repository:ops/x:pull" || got[1].Want.String() != "repository:ops/y:push" {
		t.Fatalf("asked %v", got)
	}
	a := got[0]
	if a.Identity.Account != "dev" || a.Identity.Labels["team"][0].Value != "web" || a.Service != "registry.test" || !a.From.IsValid() {
		t.Errorf("asked for %+v", a)
	}
}
