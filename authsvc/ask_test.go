package authsvc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// A shown is a request for a token as a client makes it.
type shown struct {
	method string
	query  string
	basic  string // user:password
	body   string
	typ    string // of the body; form unless it is said
	host   string // that it comes to, if that matters
}

func (s shown) request() *http.Request {
	r := httptest.NewRequest(s.method, "/auth?"+s.query, strings.NewReader(s.body))
	if s.body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if s.typ != "" {
		r.Header.Set("Content-Type", s.typ)
	}
	if user, password, ok := strings.Cut(s.basic, ":"); ok {
		r.SetBasicAuth(user, password)
	}
	if s.host != "" {
		r.Host = s.host
	}
	return r
}

var askTests = []struct {
	name  string
	shown shown
	want  string // account/password service [client] scope, offline
}{
	{"docker login", shown{method: "GET", query: "account=u&client_id=docker&offline_token=true&service=s", basic: "u:p"}, "u/p s [docker]  offline"},
	{"dockerd pull", shown{method: "GET", query: "account=u&scope=repository%3Aa%2Fb%3Apull&service=s", basic: "u:p"}, "u/p s [] repository:a/b:pull"},
	{"dockerd push and mount", shown{method: "GET", query: "scope=repository:a:push,pull&scope=repository:b:pull", basic: "u:p"}, "u/p  [] repository:a:pull,push repository:b:pull"},
	{"crane after a 401", shown{method: "GET", query: "scope=repository:a:push,pull&scope=repository:b:pull+repository:a:pull&service=", basic: "u:p"}, "u/p  [] repository:a:pull,push repository:b:pull"},
	{"anonymous", shown{method: "GET", query: "service=s"}, "/ s [] "},
	{"empty Basic", shown{method: "GET", basic: ":"}, "/  [] "},
	{"containerd", shown{method: "POST", body: "client_id=containerd-client&grant_type=password&password=p%26q&scope=repository%3Aa%3Apull+repository%3Ab%3Apull&service=s&username=u"}, "u/p&q s [containerd-client] repository:a:pull repository:b:pull"},
	{"repeated scopes in a body", shown{method: "POST", body: "grant_type=password&username=u&password=p&scope=repository:a:pull&scope=repository:b:pull"}, "u/p  [] repository:a:pull repository:b:pull"},
	{"docker_auth scripts", shown{method: "POST", body: "service=s&scope=registry:catalog:*&account=admin", basic: "admin:p"}, "admin/p s [] registry:catalog:*"},
	{"a POST's query is not believed", shown{method: "POST", query: "scope=repository:a:pull&username=x&password=y", body: "grant_type=password&username=u&password=p"}, "u/p  [] "},
	{"offline in a body", shown{method: "POST", body: "grant_type=password&username=u&password=p&access_type=offline&service=s"}, "u/p s []  offline"},
	{"offline, and Basic beside a body", shown{method: "POST", body: "offline_token=true&service=s", basic: "u:p"}, "u/p s []  offline"},
	{"online", shown{method: "GET", query: "offline_token=false&access_type=online", basic: "u:p"}, "u/p  [] "},
	{"docker with an identity token", shown{method: "POST", body: "client_id=docker&grant_type=refresh_token&refresh_token=rt&scope=repository%3Aa%3Apull+repository%3Ab%3Apull&service=s"}, "/rt s [docker] repository:a:pull repository:b:pull"},
	{"podman with an identity token", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=rt&scope=repository:a:pull&scope=repository:b:pull&service=s&client_id=containers%2Fimage"}, "/rt s [containers/image] repository:a:pull repository:b:pull"},
	{"docker with an empty scope", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=rt&scope=&service=s"}, "/rt s [] "},
	{"containerd's fallback", shown{method: "GET", query: "service=s&scope=repository:a:pull", basic: ":rt"}, "/rt s [] repository:a:pull"},
	{"a helper's identity token", shown{method: "GET", query: "service=s", basic: "<token>:rt"}, "/rt s [] "},
	{"an identity token and its account", shown{method: "GET", query: "account=u&service=s", basic: ":rt"}, "/rt s [] "},
	{"charset", shown{method: "POST", body: "grant_type=password&username=u&password=p", typ: "application/x-www-form-urlencoded; charset=utf-8"}, "u/p  [] "},
}

func TestParseAsk(t *testing.T) {
	for _, tt := range askTests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := parseAsk(tt.shown.request())
			if err != nil {
				t.Fatal(err)
			}
			got := a.cred.Account + "/" + a.cred.Password.Reveal() + " " + a.service + " [" + a.client + "] " + a.scope.String()
			if a.offline {
				got += " offline"
			}
			if got != tt.want {
				t.Errorf("parseAsk() = %q, want %q", got, tt.want)
			}
		})
	}
}

var badAskTests = []struct {
	name  string
	shown shown
	want  oci.Kind
}{
	{"method", shown{method: "PUT"}, oci.Unsupported},
	{"OPTIONS", shown{method: "OPTIONS"}, oci.Unsupported},
	{"POST with nothing", shown{method: "POST", body: "service=s"}, oci.Unauthenticated},
	{"POST that never is anonymous", shown{method: "POST", body: "scope=repository:a:pull"}, oci.Unauthenticated},
	{"refresh grant with nothing", shown{method: "POST", body: "grant_type=refresh_token"}, oci.Unauthenticated},
	{"refresh token in the query", shown{method: "POST", query: "refresh_token=rt", body: "grant_type=refresh_token"}, oci.Unauthenticated},
	{"refresh token and Basic", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=rt", basic: "u:p"}, oci.BadRequest},
	{"refresh token and the same in Basic", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=rt", basic: ":rt"}, oci.BadRequest},
	{"refresh token and a password", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=rt&username=u&password=p"}, oci.BadRequest},
	{"password and a refresh token", shown{method: "POST", body: "grant_type=password&refresh_token=rt&username=u&password=p"}, oci.BadRequest},
	{"two refresh tokens", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=rt&refresh_token=ru"}, oci.BadRequest},
	{"endless refresh token", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=" + strings.Repeat("r", maxPassword+1)}, oci.Unauthenticated},
	{"refresh token for a name", shown{method: "GET", basic: "rgt_x:p"}, oci.Unauthenticated},
	{"unknown grant", shown{method: "POST", body: "grant_type=client_credentials&username=u&password=p"}, oci.BadRequest},
	{"two kinds at once", shown{method: "POST", body: "grant_type=password&username=u&password=p", basic: "u:p"}, oci.BadRequest},
	{"no password", shown{method: "POST", body: "grant_type=password&username=u"}, oci.Unauthenticated},
	{"account is another", shown{method: "GET", query: "account=admin", basic: "u:p"}, oci.BadRequest},
	{"account alone", shown{method: "GET", query: "account=admin"}, oci.Unauthenticated},
	{"multipart", shown{method: "POST", body: "x", typ: "multipart/form-data; boundary=x"}, oci.BadRequest},
	{"JSON", shown{method: "POST", body: `{}`, typ: "application/json"}, oci.BadRequest},
	{"broken query", shown{method: "GET", query: "service=%zz"}, oci.BadRequest},
	{"semicolon", shown{method: "GET", query: "a;b"}, oci.BadRequest},
	{"two services", shown{method: "GET", query: "service=a&service=b"}, oci.BadRequest},
	{"two users", shown{method: "POST", body: "grant_type=password&username=u&username=v&password=p"}, oci.BadRequest},
	{"no scope at all", shown{method: "GET", query: "scope=pull"}, oci.BadRequest},
	{"too many scopes", shown{method: "GET", query: strings.Repeat("scope=repository:a:pull&", oci.MaxScopes+1)}, oci.BadRequest},
	{"control character", shown{method: "GET", basic: "a\nb:p"}, oci.Unauthenticated},
	{"endless account", shown{method: "GET", basic: strings.Repeat("a", 257) + ":p"}, oci.Unauthenticated},
	{"endless password", shown{method: "GET", basic: "a:" + strings.Repeat("p", maxPassword+1)}, oci.Unauthenticated},
}

func TestParseAskRefuses(t *testing.T) {
	for _, tt := range badAskTests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := parseAsk(tt.shown.request())
			if err == nil {
				t.Fatalf("parseAsk() = %+v", a)
			}
			if got := oci.AsError(err).Kind; got != tt.want {
				t.Errorf("parseAsk(): %v (%v), want %v", got, err, tt.want)
			}
		})
	}
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	r := shown{method: "GET", basic: "u:p"}.request()
	r.Header.Add("Authorization", "Basic eDp5")
	if _, err := parseAsk(r); err == nil || oci.AsError(err).Kind != oci.BadRequest {
		t.Errorf("parseAsk() with two Authorization headers: %v", err)
	}
	r = shown{method: "GET"}.request()
	r.Header.Set("Authorization", "Bearer x.y.z")
	if _, err := parseAsk(r); err == nil || oci.AsError(err).Kind != oci.Unauthenticated {
		t.Errorf("parseAsk() with a Bearer token: %v", err)
	}
}

// FuzzParseAsk: no panic, no unclassified error, and never anonymous when
// something was shown.
func FuzzParseAsk(f *testing.F) {
	for _, tt := range askTests {
		f.Add(tt.shown.method == "POST", tt.shown.query, tt.shown.basic, tt.shown.body)
	}
	for _, tt := range badAskTests {
		f.Add(tt.shown.method == "POST", tt.shown.query, tt.shown.basic, tt.shown.body)
	}
	f.Fuzz(func(t *testing.T, post bool, query, basic, body string) {
		s := shown{method: "GET", basic: basic}
		if post {
			s.method, s.body, s.typ = "POST", body, "application/x-www-form-urlencoded"
		}
		r := s.request()
		r.URL.RawQuery = query
		a, err := parseAsk(r)
		if err != nil {
			if oci.AsError(err).Kind == oci.Internal {
				t.Fatalf("unclassified error: %v", err)
			}
			return
		}
		if post && a.cred.Anonymous() {
			t.Fatalf("a POST became anonymous: %q", body)
		}
		if form, _ := url.ParseQuery(body); post && basic == "" && isRefresh(a.cred) != (form.Get("grant_type") == "refresh_token") {
			t.Fatalf("refresh token %v: %q", isRefresh(a.cred), body)
		}
		if user, _, ok := strings.Cut(basic, ":"); ok && user != "" && a.cred.Account != user && !post && (user != anyToken || !isRefresh(a.cred)) {
			t.Fatalf("%q logged in as %q", user, a.cred.Account)
		}
	})
}
