package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/regate/regate/internal/trust"
)

func TestTrustPrints(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA", nil)
	at := ca.gate(t)
	code, out, errText := called(t, "", "trust", "https://"+at)
	if code != 0 {
		t.Fatalf("regate trust: %d %s", code, errText)
	}
	for _, want := range append(trust.Names(), ca.print(), "Gate CA", ca.pem(), "before you use what follows",
		"/etc/docker/certs.d/"+at+"/ca.crt", "regate trust https://"+at+" --install --fingerprint sha256:…\n") {
		if !strings.Contains(strings.ToLower(out), strings.ToLower(want)) {
			t.Errorf("regate trust prints no %q:\n%s", want, out)
		}
	}
	if strings.Count(out, ca.print()) != 1 {
		t.Error("the fingerprint stands there to be pasted without a comparison")
	}
}

func TestTrustJSON(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA", nil)
	at := ca.gate(t)
	code, out, errText := called(t, "", "trust", at, "--json", "--for", "docker,macos")
	var r trustReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("regate trust --json: %d %v\n%s%s", code, err, out, errText)
	}
	if len(r.CAs) != 1 || r.CAs[0].Fingerprint != ca.print() || r.CAs[0].PEM != ca.pem() || r.Host != at || r.Public ||
		len(r.Clients) != 2 || r.Clients[0].Files[0].Content != ca.pem() || !r.Clients[1].Untested {
		t.Errorf("regate trust --json = %+v", r)
	}
}

// TestTrustForKubernetes: what is printed can go to kubectl as it is.
func TestTrustForKubernetes(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA: #1\n- x", nil)
	code, out, errText := called(t, "", "trust", ca.gate(t), "--for", "kubernetes", "--fingerprint", ca.print())
	if code != 0 {
		t.Fatalf("regate trust: %d %s", code, errText)
	}
	var kinds []string
	for dec := yaml.NewDecoder(strings.NewReader(out)); ; {
		var doc struct {
			Kind string
			Data map[string]string
		}
		if err := dec.Decode(&doc); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		kinds = append(kinds, doc.Kind)
		if doc.Kind == "ConfigMap" && doc.Data["ca.crt"] != ca.pem() {
			t.Errorf("ca.crt:\n%s\nwant\n%s", doc.Data["ca.crt"], ca.pem())
		}
	}
	if !slices.Equal(kinds, []string{"ConfigMap", "DaemonSet"}) {
		t.Errorf("kinds %q", kinds)
	}
}

// TestTrustOfStrangers is about what may answer in place of a gate.
func TestTrustOfStrangers(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t, "Gate CA", nil), newTestCA(t, "Other\x1b[2J CA", nil)
	var followed atomic.Int32
	away := other.serve(t, func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	leaf, _ := ca.leaf(t)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"no gate", http.NotFound, "offers no CA (status 404), and its certificate is from CN=Gate CA"},
		{"a page", offering("<html>"), "offers no CA (there is no certificate (PEM))"},
		{"another CA", offering(other.pem()), "is not the one that its certificate is from (CN=Gate CA)"},
		{"a server's certificate", offering(string(trust.Bundle{leaf}.PEM())), "is no certificate of a CA"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+away+r.URL.Path, http.StatusFound)
		}, "status 302"},
		{"no end", func(w http.ResponseWriter, r *http.Request) {
			for _, err := w.Write(make([]byte, 64<<10)); err == nil; _, err = w.Write(make([]byte, 64<<10)) {
			}
		}, "more than 1 MiB"},
		{"headers without end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
		}, "server response headers exceeded"},
		{"half an answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, ca.pem()[:100])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF"},
		{"a gate with other hosts", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(421) }, "does not serve that name"},
		{"no certificate in the block", offering("-----BEGIN \x1b[2J-----\nAAAA\n-----END \x1b[2J-----\n"), `there is a \u001b[2J beside`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := machine(t)
			code, out, errText := called(t, "", "trust", ca.serve(t, tt.answer), "--install", "--root", dir, "--fingerprint", ca.print())
			if code != 1 || !strings.Contains(errText, tt.want) {
				t.Errorf("exit %d\n%s%s\nwant %q", code, out, errText, tt.want)
			}
			if got := written(t, dir); len(got) > 0 {
				t.Errorf("installed %q", got)
			}
			if strings.Contains(out+errText, "\x1b") {
				t.Errorf("a control character reaches the terminal: %q", out+errText)
			}
		})
	}
	if followed.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestTrustEscapesNames: a name that is chosen by a stranger is shown for what it is.
func TestTrustEscapesNames(t *testing.T) {
	t.Parallel()
	code, out, errText := called(t, "", "trust", newTestCA(t, "Gate\x1b[2J\u202e CA", nil).gate(t))
	if code != 0 || strings.ContainsAny(out, "\x1b\u202e") || !strings.Contains(out, `Gate\u001b[2J\u202e CA`) {
		t.Errorf("exit %d %s\n%q", code, errText, out)
	}
}

func TestTrustWhereNothingListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	if code, _, errText := called(t, "", "trust", at); code != 1 || !strings.Contains(errText, "https://"+at+": ") || !strings.Contains(errText, "connection refused") {
		t.Errorf("exit %d %s", code, errText)
	}
}

// TestTrustWaitsForNobody: a server that takes the request and says nothing.
func TestTrustWaitsForNobody(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "Gate CA", nil)
	at := ca.serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	host, err := trust.ParseHost(at)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := fetchCA(ctx, host); err == nil || !strings.Contains(err.Error(), "no answer, or no whole one") {
		t.Errorf("fetchCA: %v", err)
	}
}

func TestTrustUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "takes the address of a gate"},
		{[]string{"a", "b"}, "takes the address of a gate"},
		{[]string{"http://a.example"}, "does not begin with https://"},
		{[]string{"https://a/../b"}, "no part of a host name"},
		{[]string{"--", "-x"}, "no part of a host name"},
		{[]string{"régistre.example"}, "no part of a host name"},
		{[]string{"a.example", "--for", "dokcer"}, `no client "dokcer"`},
		{[]string{"a.example", "--fingerprint", "sha256:12"}, "is no fingerprint"},
		{[]string{"a.example", "--root", "/mnt"}, "--root goes with --install"},
		{[]string{"a.example", "--install", "--for", "docker,macos"}, "macos is not on this machine"},
		{[]string{"a.example", "--install", "--for", "kubernetes"}, "kubernetes is not on this machine"},
	} {
		code, _, errText := called(t, "", append([]string{"trust"}, tt.args...)...)
		if code != 2 || !strings.Contains(errText, tt.want) {
			t.Errorf("regate trust %q: exit %d %s, want 2, %q", tt.args, code, errText, tt.want)
		}
	}
}

// TestTrustWarnsOfANameThatIsNone: clients would look for it at Docker Hub.
func TestTrustWarnsOfANameThatIsNone(t *testing.T) {
	t.Parallel()
	ca := file(t, newTestCA(t, "CA", nil).pem())
	for arg, warned := range map[string]bool{"registry": true, "registry:5000": false, "registry.example.com": false} {
		code, _, errText := called(t, "", "trust", arg, "--ca-file", ca)
		if code != 0 || strings.Contains(errText, "as an image of Docker Hub") != warned {
			t.Errorf("regate trust %s: exit %d %q, want a warning: %v", arg, code, errText, warned)
		}
	}
}
