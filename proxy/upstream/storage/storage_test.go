package storage

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs a storage with TLS, and returns it and the file of its CA.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, file
}

func open(t *testing.T, c Config, o Options) *Storage {
	t.Helper()
	o.Connect, o.Header = 5*time.Second, 5*time.Second
	o.Gate = func(host string) bool {
		name, port, _ := strings.Cut(host, ":")
		return port == "443" && (name == "hub.example.com" || strings.HasSuffix(name, ".gate.example"))
	}
	s, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ask is what a registry at http://registry.internal:5000 has redirected.
func ask(location string) Ask {
	return Ask{
		Method: http.MethodGet, Location: location, Gate: "gate.example.com",
		From:   &url.URL{Scheme: "http", Host: "registry.internal:5000", Path: "/v2/a/blobs/x"},
		Header: http.Header{"Range": {"bytes=1-"}},
	}
}

func TestGet(t *testing.T) {
	var seen *http.Request
	s, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Clone(r.Context())
		fmt.Fprint(w, "blob")
	})
	at := strings.TrimPrefix(s.URL, "https://")
	store := open(t, Config{Mode: Follow, Hosts: []string{at}, TLS: TLS{ca}}, Options{})
	res, err := store.Get(t.Context(), ask(s.URL+"/bucket/a%2Fb?X-Sig=a%20b&c"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); string(text) != "blob" {
		t.Errorf("got %q", text)
	}
	if seen.RequestURI != "/bucket/a%2Fb?X-Sig=a%20b&c" || seen.Host != at { // both are signed
		t.Errorf("the storage was asked for %s at %s", seen.RequestURI, seen.Host)
	}
	delete(seen.Header, "User-Agent")
	if len(seen.Header) != 1 || seen.Header.Get("Range") != "bytes=1-" {
		t.Errorf("the storage saw %v", seen.Header)
	}
}

// TestRefused: where a redirect must not lead, nobody is asked, and the log gets
// no key to a blob.
func TestRefused(t *testing.T) {
	s, ca := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL.Path) })
	at := strings.TrimPrefix(s.URL, "https://")
	_, port, _ := strings.Cut(at, ":")
	listed := Config{Mode: Follow, Hosts: []string{at, "*.example.com", "*.gate.example"}, TLS: TLS{ca}}
	for _, tt := range []struct {
		name, location, want string
		always               bool
	}{
		{"another host", "https://other.example/?secret", "other.example is none of redirects.hosts", false},
		{"another port", "https://127.0.0.1:1/?secret", "127.0.0.1:1 is none of", false},
		{"a name of the same address", "https://localhost:" + port + "/?secret", "is none of", false},
		{"no TLS", "http://" + at + "/?secret", "has no TLS", false},
		{"user", "https://u:secret@" + at + "/", "it has a user", false},
		{"host that is a user", "https://" + at + "@other.example/?secret", "it has a user", false},
		{"other scheme", "ftp://" + at + "/?secret", "it has no host", false},
		{"file", "file:///etc/passwd?secret", "it has no host", false},
		{"opaque", "https:secret", "it has no host", false},
		{"path alone", "/v2/b/blobs/x?secret", "registry.internal:5000 has no TLS", false},
		{"two URLs", s.URL + "/?secret https://other.example", "it is no URL", false},
		{"no URL", "https://[::1/?secret", "it is no URL", false},
		{"endless", s.URL + "/?secret" + strings.Repeat("a", mostURL), "it is no URL", false},
		{"the gate", "https://gate.example.com/v2/b/blobs/x?secret", "leads back to the gate", false},
		{"the gate in other words", "https://GATE.example.com.:443/v2/?secret", "leads back to the gate", false},

		{"the gate by another name", "https://hub.example.com/v2/b/blobs/x?secret", "leads back to the gate", false},
		{"the gate by another name, in other words", "https://HUB.example.com.:443/?secret", "leads back to the gate", false},
		{"the gate by a name of its wildcard", "https://a.gate.example/?secret", "leads back to the gate", false},
		{"the gate in wide letters", "https://\uff48ub.example.com/?secret", "no letter of a host", false},
		{"the gate in wide letters, escaped", "https://%EF%BD%88ub.example.com/?secret", "no letter of a host", false},

		{"the gate by another name, from a mirror", "https://hub.example.com/?secret", "leads back to the gate", true},
		{"the gate, from a mirror", "https://gate.example.com/?secret", "leads back to the gate", true},
		{"no TLS, from a mirror", "http://1.1.1.1/?secret", "has no TLS", true},
		{"port, from a mirror", "https://1.1.1.1:8443/?secret", "is none of", true},
		{"loopback, from a mirror", "https://127.0.0.1/?secret", "not one of the internet", true},
		{"name of loopback, from a mirror", "https://localhost/?secret", "not one of the internet", true},
		{"metadata, from a mirror", "https://169.254.169.254/?secret", "not one of the internet", true},
		{"private, from a mirror", "https://10.0.0.1/?secret", "not one of the internet", true},
		{"IPv6 loopback, from a mirror", "https://[::1]/?secret", "not one of the internet", true},
		{"mapped, from a mirror", "https://[::ffff:127.0.0.1]/?secret", "not one of the internet", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := open(t, listed, Options{Always: tt.always})
			_, err := store.Get(t.Context(), ask(tt.location))
			if !errors.Is(err, ErrRefused) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("the URL is in %q", err)
			}
		})
	}
}

// TestStorageUnderTheGatesWildcard: a certificate for *.gate.example says nothing
// of who else is there. Whoever lists the storage by its name knows.
func TestStorageUnderTheGatesWildcard(t *testing.T) {
	store := open(t, Config{Mode: Follow, Hosts: []string{"s3.gate.example"}}, Options{})
	a := ask("https://s3.gate.example/blob")
	if u, err := store.target(a.From, a); err != nil || u.Host != "s3.gate.example" {
		t.Errorf("leads to %v, %v", u, err)
	}
}

// TestHops: each is looked at like the first, and there are not many.
func TestHops(t *testing.T) {
	var next string
	n := 0
	s, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		switch {
		case r.URL.Path == "/end":
			fmt.Fprint(w, "blob")
		case next == "":
			w.WriteHeader(http.StatusFound)
		default:
			w.Header().Set("Location", next)
			w.WriteHeader(http.StatusFound)
		}
	})
	at := strings.TrimPrefix(s.URL, "https://")
	store := open(t, Config{Mode: Follow, Hosts: []string{at}, TLS: TLS{ca}}, Options{})
	for _, tt := range []struct {
		name, next, want string // "" is none
		asked            int
	}{
		{"relative", "/end", "", 2},
		{"absolute", s.URL + "/end", "", 2},
		{"round and round", "/again", "from one to another more than 3 times", 3},
		{"out", "https://other.example/?secret", "other.example is none of", 1},
		{"down to plain", "http://" + at + "/end", "has no TLS", 1},
		{"nowhere", "", "with 0 locations", 1},
	} {
		next, n = tt.next, 0
		res, err := store.Get(t.Context(), ask(s.URL+"/first?secret"))
		if err == nil {
			_ = res.Body.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if n != tt.asked {
			t.Errorf("%s: %d requests, want %d", tt.name, n, tt.asked)
		}
	}
}

// TestUnreachable is not a redirect that was refused: it may be well again.
func TestUnreachable(t *testing.T) {
	s, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/giant":
			w.Header().Set("X-Pad", strings.Repeat("a", 2*headerBytes))
		case "/off":
			panic(http.ErrAbortHandler)
		}
	})
	at := strings.TrimPrefix(s.URL, "https://")
	store := open(t, Config{Mode: Follow, Hosts: []string{at, "127.0.0.1:1"}, TLS: TLS{ca}}, Options{})
	strict := open(t, Config{Mode: Follow, Hosts: []string{at}}, Options{})
	for _, tt := range []struct {
		name, location, want string
		store                *Storage
	}{
		{"giant header", s.URL + "/giant?secret", "headers exceeded", store},
		{"broken off", s.URL + "/off?secret", "EOF", store},
		{"nobody there", "https://127.0.0.1:1/?secret", "refused", store},
		{"unknown CA", s.URL + "/?secret", "certificate", strict},
	} {
		_, err := tt.store.Get(t.Context(), ask(tt.location))
		if err == nil || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

// FuzzTarget: whatever a registry writes, nobody is asked who is not listed.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"https://s3.example.com/a?b", "//s3.example.com", "https://s3.example.com@evil.example/", "https://evil.example\\@s3.example.com/", "http://minio:9000/x", "../x", "https://s3.example.com:443:80/", "https://[::1%25eth0]/"} {
		f.Add(seed)
	}
	s, err := New(Config{Mode: Follow, Hosts: []string{"s3.example.com", "http://minio:9000", "*.cdn.example.com"}}, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, location string) {
		a := ask(location)
		u, err := s.target(a.From, a)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v", location, err)
			}
			return
		}
		// What is dialled and what is sent is made of the text, so it is read again.
		again, err := url.Parse(u.String())
		if err != nil {
			t.Fatalf("%q leads to %q: %v", location, u, err)
		}
		name := strings.TrimSuffix(strings.ToLower(again.Hostname()), ".")
		switch {
		case again.User != nil || u.User != nil:
		case again.Scheme == "https" && (again.Port() == "" || again.Port() == "443") && (name == "s3.example.com" || strings.HasSuffix(name, ".cdn.example.com")):
			return
		case again.Scheme == "http" && name == "minio" && again.Port() == "9000":
			return
		}
		t.Errorf("%q leads to %s", location, u)
	})
}
