package authsvc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/cert"
	"github.com/regate/regate/internal/oci"
)

var clientCA = &x509.Certificate{Raw: []byte("the CA"), NotAfter: time.Now().Add(time.Hour)}

// chainOf is what a handshake has verified of a client with this common name.
func chainOf(cn string) [][]*x509.Certificate {
	leaf := &x509.Certificate{Raw: []byte(cn), NotAfter: clientCA.NotAfter}
	leaf.Subject.Names = []pkix.AttributeTypeAndValue{{Type: []int{2, 5, 4, 3}, Value: cn}}
	return [][]*x509.Certificate{{leaf, clientCA}}
}

var byCommonName, _ = cert.New(cert.Config{{Name: "cn", Match: "*/*"}, {Name: "cn"}}, []*x509.Certificate{clientCA}, nil)

// askAs asks for a token with a certificate.
func (r *rig) askAs(cn string, s shown) *httptest.ResponseRecorder {
	req, w := s.request(), httptest.NewRecorder()
	req.TLS = &tls.ConnectionState{VerifiedChains: chainOf(cn)}
	r.handler.ServeHTTP(w, req)
	return w
}

var certifiedTests = []struct {
	name       string
	cn         string
	shown      shown
	wantStatus int
	wantBody   string
}{
	{"GET", "admin", shown{method: "GET", query: "scope=repository:a:pull"}, 200, `"scope":"repository:a:pull"`},
	{"POST without a grant", "admin", shown{method: "POST", body: "scope=repository:a:pull"}, 200, `"scope":"repository:a:pull"`},
	{"the account that it is", "admin", shown{method: "POST", body: "account=admin"}, 200, `"token"`},
	{"another account", "dev", shown{method: "GET", query: "account=admin"}, 400, "account is not the user that logs in"},
	{"beside empty Basic", "admin", shown{method: "GET", query: "scope=repository:a:pull", basic: ":"}, 200, `"scope":"repository:a:pull"`},
	{"beside Basic", "admin", shown{method: "GET", query: "scope=repository:a:pull", basic: "dev:dev secret"}, 200, `"scope":""`},
	{"beside a wrong password", "admin", shown{method: "GET", basic: "dev:no"}, 401, badLogin},
	{"beside an account without its password", "admin", shown{method: "GET", basic: "admin:"}, 401, badLogin},
	{"beside a refresh token", "admin", shown{method: "GET", basic: ":rt"}, 401, badRefresh},
	{"beside a password grant", "admin", shown{method: "POST", body: "grant_type=password&username=dev&password=dev+secret&scope=repository:a:pull"}, 200, `"scope":""`},
	{"beside a wrong password grant", "admin", shown{method: "POST", body: "grant_type=password&username=dev&password=no"}, 401, badLogin},
	{"beside half a grant", "admin", shown{method: "POST", body: "grant_type=password&username=admin"}, 401, "the password grant needs"},
	{"beside a refresh grant", "admin", shown{method: "POST", body: "grant_type=refresh_token&refresh_token=x"}, 401, badRefresh},
	{"beside an unknown grant", "admin", shown{method: "POST", body: "grant_type=client_credentials"}, 400, "grant_type must be"},
	{"of nobody is not anonymous", "", shown{method: "GET", query: "scope=repository:pub/x:pull"}, 401, badCertificate},
}

func TestTokensForCertificates(t *testing.T) {
	r := newRig(t)
	r.service.certs = byCommonName
	for _, tt := range certifiedTests {
		t.Run(tt.name, func(t *testing.T) {
			if w := r.askAs(tt.cn, tt.shown); w.Code != tt.wantStatus || !strings.Contains(w.Body.String(), tt.wantBody) {
				t.Errorf("got %d %s, want %d with %s", w.Code, w.Body, tt.wantStatus, tt.wantBody)
			}
		})
	}
}

// TestCertificatesWithoutRules: who does not know certificates takes none for
// somebody, nor for the anonymous.
func TestCertificatesWithoutRules(t *testing.T) {
	r := newRig(t)
	if w := r.askAs("admin", shown{method: "GET"}); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d %s, want 401", w.Code, w.Body)
	}
	if n := r.asked.Load(); n != 0 {
		t.Errorf("those who know passwords were asked %d times", n)
	}
}

func TestCertificateAtTheDoor(t *testing.T) {
	r := newRig(t)
	r.service.certs = byCommonName
	r.reopen(t)
	for _, tt := range []struct {
		name, cn, header, needs, want string
	}{
		{"what the rules grant", "admin", "", "repository:ops/x:pull,push,delete", "no refusal: <nil>"},
		{"what they do not", "dev", "", "repository:ops/x:pull", "insufficient_scope: dev may not pull from ops/x"},
		{"the catalog", "admin", "", "registry:catalog:*", "no refusal: <nil>"},
		{"nothing, for /v2/", "admin", "", "", ": " + needsTokenHere},
		{"nobody's", "", "", "repository:pub/x:pull", ": " + badCertificate},
		{"beside empty Basic", "admin", basic(":"), "repository:ops/x:pull", "no refusal: <nil>"},
		{"beside Basic", "admin", basic("dev:dev secret"), "repository:ops/x:pull", "insufficient_scope: dev may not pull from ops/x"},
		{"beside a wrong password", "admin", basic("dev:no"), "repository:ops/x:pull", ": " + badLogin},
		{"beside half of Basic", "admin", "Basic", "repository:ops/x:pull", ": log in with Basic credentials"},
		{"beside a broken token", "admin", "Bearer x", "repository:ops/x:pull", "invalid_token: token is not valid"},
		{"beside another scheme", "admin", "Digest x", "repository:ops/x:pull", ": authentication required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shown := oci.Shown{Authorization: oci.NewSecret(tt.header), Chains: chainOf(tt.cn)}
			grant, err := r.door.Authorize(t.Context(), shown, needs(tt.needs))
			if refused(err) != tt.want {
				t.Errorf("Authorize() = %s, want %s", refused(err), tt.want)
			}
			if err == nil && (grant.Subject != tt.cn || grant.Anonymous()) {
				t.Errorf("Authorize() = %v", grant)
			}
		})
	}
}

// TestNamesInCertificatesWidenNothing: whatever a CA signs, it is text.
func TestNamesInCertificatesWidenNothing(t *testing.T) {
	own, everybody := "${account}/*", "/.+/"
	rules, err := acl.Compile(acl.Config{{Match: &acl.Match{Account: &everybody, Name: &own}, Actions: []string{"*"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := oci.Access{Type: oci.Repository, Name: "victim/app", Actions: oci.Pull}
	for _, cn := range []string{
		"*", "**", "?ictim", "victi[a-z]", `victim\`, "victim/*", "/victim/", "/.*/", ".*", "vi.*", "victim|x", "victim/app",
		"${account}", "${name}", "${name:1}", "${labels:x}", "victim ", "VICTIM", "${env:HOME}",
	} {
		id, err := byCommonName.Authenticate(context.Background(), authn.Credentials{Chains: chainOf(cn)})
		if err != nil && cn != "/victim/" && cn != "/.*/" {
			t.Errorf("%q is nobody: %v", cn, err)
		}
		if granted, _, _ := rules.Decide(t.Context(), acl.Ask{Identity: id, Want: want}); granted != 0 {
			t.Errorf("a certificate for %q grants %s on %s", cn, granted, want.Name)
		}
	}
	id, err := byCommonName.Authenticate(context.Background(), authn.Credentials{Chains: chainOf("victim")})
	if granted, _, _ := rules.Decide(t.Context(), acl.Ask{Identity: id, Want: want}); err != nil || granted != oci.Pull {
		t.Errorf("the owner's grants %s, %v", granted, err)
	}
}
