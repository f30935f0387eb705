package proxy

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// signed has a state as distribution writes it, and wants it back.
func signed(w http.ResponseWriter, r *http.Request) {
	state := base64.URLEncoding.EncodeToString([]byte(strings.Repeat("m", 32) + `{"Name":"prod/eu/team/app"}`))
	if got := r.URL.Query().Get("_state"); r.Method != http.MethodPost && got != state {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	w.Header().Set("Location", "/v2/prod/eu/team/app/blobs/uploads/"+someUpload+"?_state="+url.QueryEscape(state))
	w.WriteHeader(http.StatusAccepted)
}

// beginRenamed begins an upload at a registry that has another name for the
// repository, and returns its URL.
func beginRenamed(t *testing.T, g *rig, subject string) (at *url.URL) {
	t.Helper()
	res, body, _ := g.do(t, call{method: "POST", path: uploads, auth: bearer(subject, pusher)})
	at, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %s, %v", res.Status, body, err)
	}
	return at
}

var renamedState = setup{routes: []RouteConfig{{Registry: "main", Add: "prod/eu"}}}

// TestStateOfARenamedUpload: what the registry keeps in the URL of an upload has
// its own name of the repository.
func TestStateOfARenamedUpload(t *testing.T) {
	t.Parallel()
	g := newRig(t, signed, renamedState)
	at := beginRenamed(t, g, "ann")
	for range 3 {
		state := at.Query().Get("_state")
		text, _ := base64.RawURLEncoding.DecodeString(state)
		if state == "" || strings.Contains(string(text), "prod") {
			t.Fatalf("the client reads %q", text)
		}
		res, body, _ := g.do(t, call{method: "PATCH", path: at.RequestURI(), auth: bearer("ann", pusher), bare: true})
		if res.StatusCode != http.StatusAccepted {
			t.Fatalf("%s %s", res.Status, body)
		}
		at, _ = url.Parse(res.Header.Get("Location"))
	}
}

// TestForeignState wants none but the client's own state at the registry.
func TestForeignState(t *testing.T) {
	t.Parallel()
	g := newRig(t, signed, renamedState)
	own, other := beginRenamed(t, g, "ann"), beginRenamed(t, g, "eve")
	state := own.Query().Get("_state")
	for name, state := range map[string]string{
		"somebody else's": other.Query().Get("_state"),
		"plain":           base64.URLEncoding.EncodeToString([]byte(`{"Name":"prod/eu/secret"}`)),
		"cut off":         state[:len(state)-4],
		"changed":         strings.ToLower(state),
		"giant":           strings.Repeat("A", 6000),
		"no base64":       "*",
	} {
		q := own.Query()
		q.Set("_state", state)
		g.forget()
		res, body, _ := g.do(t, call{method: "PATCH", path: own.Path + "?" + q.Encode(), auth: bearer("ann", pusher), bare: true})
		var told struct{ Errors []struct{ Code string } }
		if err := json.Unmarshal([]byte(body), &told); err != nil || res.StatusCode != http.StatusNotFound || told.Errors[0].Code != "BLOB_UPLOAD_INVALID" {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
		checkSeen(t, g, "", "")
	}
}

// TestStateIsForOneSession has a state of the same client in an upload that
// differs in one thing from its own.
func TestStateIsForOneSession(t *testing.T) {
	t.Parallel()
	u := Uploads{}.withDefaults()
	begun := exchange{name: "team/app", grant: oci.Grant{Subject: "ann"}, route: Match{Route: &Route{Registry: "main"}}}
	read := func(x exchange, u Uploads, upload, state string) (string, error) {
		var err error
		target := "/v2/team/app/blobs/uploads/" + upload + "?_state=" + url.QueryEscape(state)
		if x.req, err = oci.Parse(http.MethodPatch, target); err != nil {
			t.Fatal(err)
		}
		if x.sent, err = x.req.Renamed("prod/team/app", ""); err != nil {
			t.Fatal(err)
		}
		sent, err := u.revealState(x)
		return sent.Param(oci.StateKey), err
	}
	link, _ := readLink("/v2/prod/team/app/blobs/uploads/"+someUpload, "_state=signed")
	a := &answer{relay: &relay{exchange: begun}, uploads: &u}
	a.req.Repo, a.sent.Repo = "team/app", "prod/team/app"
	state := a.hideState(link).Param(oci.StateKey)
	if got, err := read(begun, u, someUpload, state); got != "signed" || err != nil {
		t.Fatalf("its own: %q, %v", got, err)
	}
	subject, name, registry := begun, begun, begun
	subject.grant.Subject, name.name, registry.route = "eve", "team/other", Match{Route: &Route{Registry: "other"}}
	for what, x := range map[string]exchange{"subject": subject, "repository": name, "registry": registry} {
		if got, err := read(x, u, someUpload, state); err == nil {
			t.Errorf("another %s: %q", what, got)
		}
	}
	if got, err := read(begun, u, someUpload+"x", state); err == nil {
		t.Errorf("another upload: %q", got)
	}
	if got, err := read(begun, Uploads{}.withDefaults(), someUpload, state); err == nil {
		t.Errorf("another key: %q", got)
	}
	for _, again := range []string{state + "=", state + state} {
		if got, err := read(begun, u, someUpload, again); err == nil {
			t.Errorf("%q: %q", again, got)
		}
	}
}
