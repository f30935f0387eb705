package edge

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

var clientTests = []struct {
	name      string
	peer      string
	forwarded []string
	want      string
}{
	{"no proxy", "192.0.2.1:1234", nil, "192.0.2.1"},
	{"stranger claims to be another", "192.0.2.1:1234", []string{"198.51.100.1"}, "192.0.2.1"},
	{"one proxy", "10.0.0.1:1234", []string{"192.0.2.1"}, "192.0.2.1"},
	{"client claims to be another", "10.0.0.1:1234", []string{"127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
	{"client claims to be a proxy", "10.0.0.1:1234", []string{"10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
	{"two proxies", "10.0.0.1:1234", []string{"198.51.100.1, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
	{"two lines", "10.0.0.1:1234", []string{"198.51.100.1", "192.0.2.1,10.0.0.2"}, "192.0.2.1"},
	{"stranger in the earlier line", "10.0.0.1:1234", []string{"192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
	{"all are proxies", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	{"proxy says nothing", "10.0.0.1:1234", nil, "10.0.0.1"},
	{"empty", "10.0.0.1:1234", []string{""}, "10.0.0.1"},
	{"no address", "10.0.0.1:1234", []string{"192.0.2.1, unknown"}, "invalid IP"},
	{"no address behind a proxy", "10.0.0.1:1234", []string{"unknown, 10.0.0.2"}, "invalid IP"},
	{"no address behind a stranger", "10.0.0.1:1234", []string{"unknown, 192.0.2.1"}, "192.0.2.1"},
	{"a stranger's word that is no address", "192.0.2.1:1234", []string{"unknown"}, "192.0.2.1"},
	{"empty element", "10.0.0.1:1234", []string{"192.0.2.1,, 10.0.0.2"}, "192.0.2.1"},
	{"empty elements alone", "10.0.0.1:1234", []string{" ,", ""}, "10.0.0.1"},
	{"with a port", "10.0.0.1:1234", []string{"192.0.2.1:4711"}, "192.0.2.1"},
	{"IPv6", "[2001:db8::1]:443", []string{"2001:db9::7"}, "2001:db9::7"},
	{"IPv6 with a port", "[2001:db8::1]:443", []string{"[2001:db9::7]:99"}, "2001:db9::7"},
	{"IPv6 with a zone", "[fe80::1%eth0]:443", nil, "fe80::1"},
	{"IPv4 in IPv6", "[::ffff:10.0.0.1]:443", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
	{"unix socket", "@", []string{"192.0.2.1"}, "invalid IP"},
}

var trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}

func TestClient(t *testing.T) {
	for _, tt := range clientTests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.forwarded
			var got netip.Addr
			h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = Client(r) })
			Stack(h, Clients(trusted)).ServeHTTP(httptest.NewRecorder(), r)
			if got.String() != tt.want {
				t.Errorf("Client() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClientWithoutMiddlewareIsThePeer(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:1234"
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	if got := Client(r); got.String() != "10.0.0.1" {
		t.Errorf("Client() = %v", got)
	}
}

// FuzzClientAddr: whoever is not a proxy is always the client.
func FuzzClientAddr(f *testing.F) {
	for _, tt := range clientTests {
		for _, line := range tt.forwarded {
			f.Add(line, line)
		}
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		r := &http.Request{RemoteAddr: "192.0.2.1:1", Header: http.Header{"X-Forwarded-For": {first, second}}}
		if got := ClientAddr(r, trusted); got.String() != "192.0.2.1" {
			t.Fatalf("a stranger became %v", got)
		}
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{first, second + ", 192.0.2.1"}
		if got := ClientAddr(r, trusted); got.String() != "192.0.2.1" {
			t.Fatalf("a client behind a proxy became %v", got)
		}
	})
}
