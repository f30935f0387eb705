package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// alive is how long ago a token has expired that is good for a while yet.
const alive = -time.Minute

// lateAuth is testAuth with tokens that have expired some time ago.
type lateAuth struct {
	testAuth
	ago time.Duration
}

func (l *lateAuth) Authorize(ctx context.Context, s oci.Shown, needs []oci.Access) (oci.Grant, error) {
	g, err := l.testAuth.Authorize(ctx, s, needs)
	if err == nil && l.ago > s.Grace {
		return oci.Grant{}, &oci.Refusal{Reason: oci.InvalidToken, Msg: "token has expired"}
	}
	g.Expires = time.Now().Add(-l.ago)
	return g, err
}

// begin starts an upload and returns its URL behind the gate.
func (g *rig) begin(t testing.TB, auth string) string {
	t.Helper()
	res, body, _ := g.do(t, call{method: "POST", path: uploads, auth: auth})
	location, ok := strings.CutPrefix(res.Header.Get("Location"), g.URL)
	if res.StatusCode != 202 || !ok {
		t.Fatalf("POST: %s, location %q, %s", res.Status, res.Header.Get("Location"), body)
	}
	return location
}

// holding is a registry that has one session.
func holding(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost, http.MethodPatch:
		w.Header().Set("Location", uploads+someUpload+"?_state=y&rg=the+registry's+own")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodGet:
		w.Header().Set("Location", uploads+someUpload+"?_state=y")
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		w.Header().Set("Location", "/v2/team/app/blobs/"+someDigest)
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	}
}

const wantLost = `{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"upload unknown, begin it anew"}]}`

// TestUploadGoesOnWithItsTicket wants each answer to lead on, and the registry
// to see none of it.
func TestUploadGoesOnWithItsTicket(t *testing.T) {
	t.Parallel()
	g := newRig(t, holding, setup{})
	at := g.begin(t, bearer("ann", pusher))
	for _, tt := range []struct{ method, query, wantSeen string }{
		{"GET", "", "GET " + uploads + someUpload + "?_state=y"},
		{"PATCH", "", "PATCH " + uploads + someUpload + "?_state=y"},
		{"PATCH", "", "PATCH " + uploads + someUpload + "?_state=y"},
		{"PUT", "&digest=" + someDigest, "PUT " + uploads + someUpload + "?_state=y&digest=sha256%3A" + someDigest[7:]},
		{"DELETE", "", "DELETE " + uploads + someUpload + "?_state=y"},
	} {
		g.forget()
		res, body, _ := g.do(t, call{method: tt.method, path: at + tt.query, auth: bearer("ann", pusher), bare: true})
		if res.StatusCode > 299 {
			t.Fatalf("%s: %s %s", tt.method, res.Status, body)
		}
		checkSeen(t, g, tt.wantSeen, "")
		if next := res.Header.Get("Location"); strings.Contains(next, "/uploads/") {
			at = strings.TrimPrefix(next, g.URL)
		}
	}
}

// Each attack is made with the URL of a session that ann has begun.
var ticketAttacks = []struct {
	name, subject string
	change        func(location string) string
}{
	{"another subject", "eve", func(l string) string { return l }},
	{"nobody", "", func(l string) string { return l }},
	{"another repository", "ann", func(l string) string { return strings.Replace(l, "/team/app/", "/team/other/", 1) }},
	{"another registry", "ann", func(l string) string { return strings.Replace(l, "/team/app/", "/second/app/", 1) }},
	{"another upload", "ann", func(l string) string { return strings.Replace(l, someUpload, someUpload[:35]+"b", 1) }},
	{"no ticket", "ann", withoutTicket},
	{"empty", "ann", func(l string) string { return withoutTicket(l) + "&rg=" }},
	{"cut off", "ann", func(l string) string { return l[:len(l)-1] }},
	{"another version", "ann", func(l string) string { return strings.Replace(l, "rg=AQ", "rg=Ag", 1) }},
	{"longer life", "ann", func(l string) string { return strings.Replace(l, "rg=AQA", "rg=AQB", 1) }},
	{"giant", "ann", func(l string) string { return l + strings.Repeat("A", 10_000) }},
	{"of a gate with another key", "ann", func(l string) string {
		return withoutTicket(l) + "&rg=" + Uploads{Key: [32]byte{1}}.seal(session{"ann", "main", "team/app", someUpload}, ticket{})
	}},
}

// TestForeignSessionIsUnknown wants a 404 with a token that is alive. One that
// has expired is let in for a good ticket alone, so it is what it is.
func TestForeignSessionIsUnknown(t *testing.T) {
	t.Parallel()
	late := &lateAuth{ago: alive}
	second := httptest.NewServer(http.HandlerFunc(holding))
	defer second.Close()
	g := newRig(t, holding, setup{
		auth: late, uploads: Uploads{Grace: time.Hour},
		more:   map[string]upstream.Config{"second": {Upstreams: []string{second.URL}}},
		routes: []RouteConfig{{Repository: "second/**", Registry: "second"}, {Registry: "main"}},
	})
	auth := func(subject string) string {
		return bearer(subject, "repository:team/app:* repository:team/other:* repository:second/app:*")
	}
	location := g.begin(t, auth("ann"))
	for _, tt := range ticketAttacks {
		for _, method := range []string{"GET", "HEAD", "PATCH", "PUT", "DELETE"} {
			for _, ago := range []time.Duration{alive, time.Minute} {
				t.Run(tt.name+"/"+method+"/"+ago.String(), func(t *testing.T) {
					late.ago = ago
					defer func() { late.ago = alive }()
					g.forget()
					path := tt.change(location)
					if path == location && tt.subject == "ann" {
						t.Fatal("nothing was changed")
					}
					res, body, _ := g.do(t, call{method: method, path: path, auth: auth(tt.subject), bare: true})
					wantStatus, wantBody := 404, wantLost
					if ago > 0 {
						wantStatus, wantBody = 401, `{"errors":[{"code":"UNAUTHORIZED","message":"token has expired"}]}`
					}
					if method == "HEAD" {
						wantBody = ""
					}
					if res.StatusCode != wantStatus || body != wantBody {
						t.Errorf("%s %s, want %d %s", res.Status, body, wantStatus, wantBody)
					}
					checkSeen(t, g, "", "")
				})
			}
		}
	}
	if res, body, _ := g.do(t, call{method: "PATCH", path: location, auth: auth("ann"), bare: true}); res.StatusCode != 202 {
		t.Errorf("the session itself: %s %s", res.Status, body)
	}
}

// TestWhatExpiredTokensAreGoodFor asks for everything that there is with a
// token that was good some time ago.
func TestWhatExpiredTokensAreGoodFor(t *testing.T) {
	t.Parallel()
	const manifest, hour = "/v2/team/app/manifests/x", time.Hour
	for _, tt := range []struct {
		name   string
		ago    time.Duration // the token has expired
		began  time.Duration // with a token that has expired so long ago; 0 is none
		u      Uploads
		method string
		path   string // "" is the session
		want   int
	}{
		{"chunk", hour - 1, hour - time.Minute, Uploads{Grace: hour}, "PATCH", "", 202},
		{"end", hour - 1, hour - time.Minute, Uploads{Grace: hour}, "PUT", "", 201},
		{"state", hour - 1, hour - time.Minute, Uploads{Grace: hour}, "GET", "", 204},
		{"cancelled", hour - 1, hour - time.Minute, Uploads{Grace: hour}, "DELETE", "", 204},
		{"token over its grace", 2 * hour, hour - time.Minute, Uploads{Grace: hour}, "PATCH", "", 401},
		{"session over its grace", time.Minute, hour + time.Minute, Uploads{Grace: hour}, "PATCH", "", 401},
		{"session begun with no token", time.Minute, 0, Uploads{Grace: hour}, "PATCH", "", 401},
		{"turned off", time.Minute, time.Minute, Uploads{ManifestGrace: hour}, "PATCH", "", 401},
		{"turned off, alive", alive, time.Minute, Uploads{}, "PATCH", "", 202},
		{"manifest", time.Minute, 0, Uploads{ManifestGrace: hour}, "PUT", manifest, 201},
		{"manifest over its grace", hour + time.Minute, 0, Uploads{ManifestGrace: hour, Grace: 9 * hour}, "PUT", manifest, 401},
		{"manifest, turned off", time.Minute, 0, Uploads{Grace: hour}, "PUT", manifest, 401},
		{"manifest with a ticket", time.Minute, time.Minute, Uploads{Grace: hour}, "PUT", manifest + "?TICKET", 401},
		{"another upload", time.Minute, 0, Uploads{hourKey, hour, hour}, "POST", uploads, 401},
		{"another upload with a ticket", time.Minute, time.Minute, Uploads{hourKey, hour, hour}, "POST", uploads + "?TICKET", 401},
		{"blob", time.Minute, 0, Uploads{hourKey, hour, hour}, "GET", blobs + someDigest, 401},
		{"blob with a ticket", time.Minute, time.Minute, Uploads{hourKey, hour, hour}, "HEAD", blobs + someDigest + "?TICKET", 401},
		{"manifest read", time.Minute, 0, Uploads{hourKey, hour, hour}, "GET", manifest, 401},
		{"manifest deleted", time.Minute, 0, Uploads{hourKey, hour, hour}, "DELETE", manifest, 401},
		{"blob deleted", time.Minute, 0, Uploads{hourKey, hour, hour}, "DELETE", blobs + someDigest, 401},
		{"tags", time.Minute, 0, Uploads{hourKey, hour, hour}, "GET", "/v2/team/app/tags/list", 401},
		{"catalog", time.Minute, 0, Uploads{hourKey, hour, hour}, "GET", "/v2/_catalog", 401},
		{"referrers", time.Minute, 0, Uploads{hourKey, hour, hour}, "GET", "/v2/team/app/referrers/" + someDigest, 401},
		{"ping", time.Minute, 0, Uploads{hourKey, hour, hour}, "GET", "/v2/", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, holding, setup{auth: &lateAuth{ago: tt.ago}, uploads: tt.u})
			var began ticket
			if tt.began != 0 {
				began.expires = time.Now().Add(-tt.began)
			}
			sealed := "rg=" + g.gateway.uploads.seal(session{"ann", "main", "team/app", someUpload}, began)
			path := strings.Replace(tt.path, "TICKET", sealed, 1)
			if path == "" {
				path = uploads + someUpload + "?" + sealed
			}
			res, body, _ := g.do(t, call{method: tt.method, path: path, auth: bearer("ann", everything+" registry:catalog:*"), bare: true})
			if res.StatusCode != tt.want {
				t.Errorf("%s %s, want %d", res.Status, body, tt.want)
			}
			if tt.want == 401 && !strings.Contains(res.Header.Get("Www-Authenticate"), `error="invalid_token"`) {
				t.Errorf("challenge %q", res.Header.Get("Www-Authenticate"))
			}
		})
	}
}

var hourKey = [32]byte{1: 1}

// TestRequestsDoNotLengthenTheGrace goes on with a session in one request after
// the other; the time stays that of its beginning.
func TestRequestsDoNotLengthenTheGrace(t *testing.T) {
	t.Parallel()
	g := newRig(t, holding, setup{auth: &lateAuth{ago: time.Minute}, uploads: Uploads{Grace: time.Hour}})
	s := session{"ann", "main", "team/app", someUpload}
	began := time.Unix(time.Now().Add(-30*time.Minute).Unix(), 0)
	path := uploads + someUpload + "?rg=" + g.gateway.uploads.seal(s, ticket{expires: began})
	for range 3 {
		res, body, _ := g.do(t, call{method: "PATCH", path: path, auth: bearer("ann", pusher), bare: true})
		next := strings.TrimPrefix(res.Header.Get("Location"), g.URL)
		_, sealed, _ := strings.Cut(next, "rg=")
		if got, ok := g.gateway.uploads.open(s, sealed); !ok || !got.expires.Equal(began) {
			t.Fatalf("%s %s leads to %q: %v, want it to have begun at %v", res.Status, body, next, got.expires, began)
		}
		path = next
	}
}

// TestTicketsAreForUploadsAlone has a registry that links to a session where
// there is none.
func TestTicketsAreForUploadsAlone(t *testing.T) {
	t.Parallel()
	g := newRig(t, status(200, "", "", "Location", uploads+someUpload), setup{})
	for _, path := range []string{"/v2/team/app/manifests/x", blobs + someDigest} {
		res, _, _ := g.do(t, call{path: path, auth: bearer("ann", puller)})
		if got := res.Header.Get("Location"); strings.Contains(got, "rg=") {
			t.Errorf("%s leads to %q", path, got)
		}
	}
}

// TestTicketOfAnUncheckedRegistry finds the server for whoever asks, since the
// registry looks at that itself. Without one, any server is asked.
func TestTicketOfAnUncheckedRegistry(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards at
	at := make(map[string]int)
	server := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			mu.Lock()
			at[name+r.Method]++
			mu.Unlock()
			holding(w, r)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	c := unchecked
	c.Upstreams, c.Balance = []string{server("one"), server("two")}, upstream.RoundRobin
	g := newRig(t, echo, setup{config: c})
	path := g.begin(t, "Bearer ann|")
	for _, auth := range []string{"Bearer ann|", "Bearer eve|", "Basic x"} {
		for range 2 {
			if res, body, _ := g.do(t, call{method: "PATCH", path: path, auth: auth, bare: true}); res.StatusCode != 202 {
				t.Fatalf("%s %s", res.Status, body)
			}
		}
	}
	if at["onePOST"] != 1 && at["twoPOST"] != 1 || at["onePATCH"] != 6*at["onePOST"] || at["twoPATCH"] != 6*at["twoPOST"] {
		t.Errorf("requests at the servers: %v, want all at one", at)
	}
	for range 2 {
		if res, body, _ := g.do(t, call{method: "PATCH", path: withoutTicket(path), auth: "Basic x", bare: true}); res.StatusCode != 202 {
			t.Errorf("without a ticket: %s %s", res.Status, body)
		}
	}
	if at["onePATCH"] == 0 || at["twoPATCH"] == 0 {
		t.Errorf("requests at the servers: %v, want the last two at both", at)
	}
}

// TestEveryGateTakesTheTicketsOfOthers with the same key, and none with another.
func TestEveryGateTakesTheTicketsOfOthers(t *testing.T) {
	t.Parallel()
	key := Uploads{Key: [32]byte{1}}
	first := newRig(t, holding, setup{uploads: key})
	path := first.begin(t, bearer("ann", pusher))
	for _, tt := range []struct {
		name string
		u    Uploads
		want int
	}{{"the same key", key, 202}, {"another key", Uploads{Key: [32]byte{2}}, 404}, {"none", Uploads{}, 404}} {
		g := newRig(t, holding, setup{uploads: tt.u, config: upstream.Config{Upstreams: []string{first.registry.URL}}})
		if res, body, _ := g.do(t, call{method: "PATCH", path: path, auth: bearer("ann", pusher), bare: true}); res.StatusCode != tt.want {
			t.Errorf("%s: %s %s, want %d", tt.name, res.Status, body, tt.want)
		}
	}
}
