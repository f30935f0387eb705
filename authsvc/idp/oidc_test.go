package idp

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestOIDC(t *testing.T) {
	o := newOpenID(t)
	who := o.in(o.provider(t, nil))
	if shown(who) != "alice@example.com (s-1) groups=shop,web" || who.Refresh == "" {
		t.Errorf("Exchange() = %s", shown(who))
	}
	if o.times("/userinfo") > 0 {
		t.Error("userinfo was asked, though the ID token has it all")
	}
}

func TestOIDCIsAskedAsConfigured(t *testing.T) {
	o := newOpenID(t)
	o.scope, o.basic, o.withAuth = "openid groups offline_access", false, []string{"client_secret_post"}
	o.also = map[string]string{"nonce": someNonce, "prompt": "consent", "tenant": "1"}
	o.claims["preferred_username"], o.claims["roles"] = "Alice", "Admin"
	who := o.in(o.provider(t, func(c *OIDCConfig) {
		c.Scopes, c.Prompt, c.UserClaim = strings.Fields(o.scope), "consent", "preferred_username"
		c.LabelsClaims, c.LabelPatterns = []string{"roles", "groups"}, []string{"roles"}
	}))
	if got := shown(who); got != "Alice (s-1) groups=shop,web roles=Admin*" && got != "Alice (s-1) roles=Admin* groups=shop,web" {
		t.Errorf("Exchange() = %s", got)
	}
}

// TestOfflineAccessByDefault where the provider knows it, and nothing else is
// configured.
func TestOfflineAccessByDefault(t *testing.T) {
	o := newOpenID(t)
	o.scopes = []string{"openid", "offline_access"}
	o.in(o.provider(t, func(c *OIDCConfig) { c.Scopes = []string{"openid", "email"} }))
	google, err := newGoogle(GoogleConfig{Client: gate()}, o.url)
	o.in(must(t, google, err))
	o.scope = "openid email offline_access"
	o.in(o.provider(t, nil))
}

func TestRedirectURLTakesPlace(t *testing.T) {
	o := newOpenID(t)
	p := o.provider(t, func(c *OIDCConfig) { c.RedirectURL = callback })
	to, err := p.AuthURL(t.Context(), Start{Redirect: "https://elsewhere.test/oidc_auth", State: someState, Nonce: someNonce, Verifier: someVerifier})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exchange(t.Context(), Return{"https://elsewhere.test/oidc_auth", o.browse(to), someNonce, someVerifier}); err != nil {
		t.Error(err)
	}
}

// idTokens are what may be in an ID token, and whether it is believed.
var idTokens = []struct {
	name string
	lie  func(object, *openid)
	want string // what is wrong with it; "" if nothing is
}{
	{"signed with PSS", func(_ object, o *openid) { o.signing.alg = "PS256" }, ""},
	{"signed with ECDSA", func(_ object, o *openid) { o.signing = signing{"ES256", "ec", ecKey()} }, ""},
	{"signed with EdDSA", func(c object, o *openid) { delete(c, "at_hash"); o.signing = signing{"EdDSA", "ed", edKey()} }, ""},
	{"names no key", func(_ object, o *openid) { o.signing.kid = "" }, ""},
	{"is for several, us among them", func(c object, _ *openid) { c["aud"], c["azp"] = []string{"x", clientID}, clientID }, ""},
	{"ended 30 s ago", func(c object, _ *openid) { c["exp"] = time.Now().Unix() - 30 }, ""},
	{"has no at_hash", func(c object, _ *openid) { delete(c, "at_hash") }, ""},

	{"is not signed", func(_ object, o *openid) { o.signing = signing{"none", "", nil} }, "unexpected signature algorithm"},
	{"is signed with the client secret", func(_ object, o *openid) { o.signing = signing{"HS256", "", []byte(clientSecret)} }, "unexpected signature algorithm"},
	{"is signed with the public key as a secret", func(_ object, o *openid) { o.signing = signing{"HS256", "one", rsaKey().N.Bytes()} }, "unexpected signature algorithm"},
	{"is signed with somebody's key", func(_ object, o *openid) { o.signing.key = otherKey() }, "no public keys able to verify"},
	{"is signed with a key that nobody published", func(_ object, o *openid) { o.signing = signing{"RS256", "two", otherKey()} }, "no public keys able to verify"},
	{"is signed with a weak key", func(_ object, o *openid) { o.signing = signing{"RS256", "weak", weakKey()} }, "no public keys able to verify"},
	{"has another nonce", func(c object, _ *openid) { c["nonce"] = "nonce-9876543210" }, "another login"},
	{"has no nonce", func(c object, _ *openid) { delete(c, "nonce") }, "another login"},
	{"is for another", func(c object, _ *openid) { c["aud"] = "somebody" }, "audience"},
	{"is for nobody", func(c object, _ *openid) { delete(c, "aud") }, "audience"},
	{"is for several, and does not say whose", func(c object, _ *openid) { c["aud"] = []string{clientID, "x"} }, "another client"},
	{"is another's", func(c object, _ *openid) { c["azp"] = "x" }, "another client"},
	{"is by another issuer", func(c object, _ *openid) { c["iss"] = "https://evil.test" }, "different provider"},
	{"ended 90 s ago", func(c object, _ *openid) { c["exp"] = time.Now().Unix() - 90 }, "expired"},
	{"never ends", func(c object, _ *openid) { delete(c, "exp") }, "expired"},
	{"begins in an hour", func(c object, _ *openid) { c["nbf"] = time.Now().Unix() + 3600 }, "not before"},
	{"is about nobody", func(c object, _ *openid) { delete(c, "sub") }, "about nobody"},
	{"is beside another access token", func(c object, _ *openid) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, "another access token"},
}

func TestIDToken(t *testing.T) {
	for _, tt := range idTokens {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpenID(t)
			p := o.provider(t, nil)
			o.in(p)
			o.lie = tt.lie
			who, err := o.login(p)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Exchange() = %v", err)
			case tt.want != "" && (err == nil || isRefusal(err) || !strings.Contains(err.Error(), tt.want) || who.Account != ""):
				t.Errorf("Exchange() = %v, %v; want an error with %q", who, err, tt.want)
			}
		})
	}
}

// people are what a provider may say about somebody, and what becomes of it.
var people = []struct {
	name   string
	claims object // besides those that there are; nil removes one
	info   object // what userinfo says
	change func(*OIDCConfig)
	want   string // the person, or what the error says
	no     bool   // it is a clear no
}{
	{"not verified", object{"email_verified": false}, nil, nil, "not verified", true},
	{"not verified, trusted", object{"email_verified": false}, nil, trusting, "not verified", true},
	{"not verified, as text", object{"email_verified": "false"}, nil, nil, "not verified", true},
	{"verified, as text", object{"email_verified": "true"}, nil, nil, "alice@example.com (s-1) groups=shop,web", false},
	{"verified, as a number", object{"email_verified": 1}, nil, nil, "not verified", true},
	{"nothing said of that", object{"email_verified": nil}, nil, nil, "does not say whether", false},
	{"nothing said of that, trusted", object{"email_verified": nil}, nil, trusting, "alice@example.com (s-1) groups=shop,web", false},
	{"verified in userinfo", object{"email_verified": nil}, object{"sub": "s-1", "email": "alice@EXAMPLE.com", "email_verified": true}, nil, "alice@example.com (s-1) groups=shop,web", false},
	{"verified, and only userinfo has the address", object{"email": nil}, object{"sub": "s-1", "email": "alice@example.com", "email_verified": true}, nil, "alice@example.com (s-1) groups=shop,web", false},
	{"another address is verified, and userinfo's is not", object{"email": nil}, object{"sub": "s-1", "email": "admin@example.com", "email_verified": false}, nil, "not verified", true},
	{"another address is verified, and of userinfo's nothing is said", object{"email": nil}, object{"sub": "s-1", "email": "admin@example.com"}, nil, "does not say whether", false},
	{"another's address is verified", object{"email_verified": nil}, object{"sub": "s-1", "email": "admin@example.com", "email_verified": true}, nil, "different e-mail addresses", false},
	{"userinfo about another", object{"groups": nil}, object{"sub": "s-2", "groups": []string{"admin"}}, nil, "different people", false},
	{"userinfo about nobody", object{"groups": nil}, object{"groups": []string{"admin"}}, nil, "about nobody", false},
	{"groups in userinfo", object{"groups": nil}, object{"sub": "s-1", "groups": []string{"ops"}}, nil, "alice@example.com (s-1) groups=ops", false},
	{"groups in both", nil, object{"sub": "s-1", "groups": []string{"admin"}}, nil, "alice@example.com (s-1) groups=shop,web", false},
	{"no groups", object{"groups": nil}, nil, nil, "alice@example.com (s-1)", false},
	{"one group, as text", object{"groups": "web"}, nil, nil, "alice@example.com (s-1) groups=web", false},
	{"groups twice, and an empty one", object{"groups": []string{"web", "", "web"}}, nil, nil, "alice@example.com (s-1) groups=web", false},
	{"groups that are no text", object{"groups": []int{1}}, nil, nil, "neither text nor a list", false},
	{"groups that are no list", object{"groups": object{"web": true}}, nil, nil, "neither text nor a list", false},
	{"too many groups", object{"groups": nil, "_claim_names": object{"groups": "src1"}, "_claim_sources": object{"src1": object{"endpoint": "https://graph.test"}}}, nil, nil, "too large", false},
	{"no address", object{"email": nil}, nil, nil, "no claim email", false},
	{"an address that is no text", object{"email": 7}, nil, nil, "no claim email", false},
	{"a name with a colon", object{"name": "alice:x"}, nil, byName, "cannot be an account", false},
	{"a name with a line break", object{"name": "alice\nadmin"}, nil, byName, "cannot be an account", false},
	{"no name", object{"name": ""}, nil, byName, "cannot be an account", false},
	{"a long name", object{"name": strings.Repeat("a", 257)}, nil, byName, "cannot be an account", false},
	{"a name between spaces", object{"name": "alice "}, nil, byName, "cannot be an account", false},
	{"a name of two words", object{"name": "Älice B", "groups": "x"}, nil, byName, "Älice B (s-1) groups=x", false},
	{"an address that only looks the same", object{"email": "\u212Aim@example.com"}, nil, nil, "\u212Aim@example.com (s-1) groups=shop,web", false},
}

func trusting(c *OIDCConfig) { c.TrustEmail = true }
func byName(c *OIDCConfig)   { c.UserClaim = "name" }

func TestOIDCPeople(t *testing.T) {
	for _, tt := range people {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpenID(t)
			for name, value := range tt.claims {
				if o.claims[name] = value; value == nil {
					delete(o.claims, name)
				}
			}
			o.info = tt.info
			who, err := o.login(o.provider(t, tt.change))
			if err == nil && shown(who) != tt.want || err != nil && (isRefusal(err) != tt.no || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Exchange() = %s, %v; want %s", shown(who), err, tt.want)
			}
		})
	}
}

var oidcRenewals = []struct {
	name    string
	change  func(*openid)
	want    string // the person; "" for an error
	refused bool
}{
	{"as before", func(*openid) {}, "alice@example.com (s-1) groups=shop,web", false},
	{"other groups", func(o *openid) { o.claims["groups"] = []string{"ops"} }, "alice@example.com (s-1) groups=ops", false},
	{"no ID token", func(o *openid) { o.noID = true; o.info["groups"] = []string{"ops"} }, "alice@example.com (s-1) groups=ops", false},
	{"another address", func(o *openid) { o.claims["email"] = "bob@example.com"; o.info["email"] = "bob@example.com" }, "", true},
	{"address not verified any more", func(o *openid) { o.claims["email_verified"] = false }, "", true},
	{"account gone", func(o *openid) { o.withdraw(o.refresh) }, "", true},
	{"account gone from userinfo", func(o *openid) { o.noID = true; o.broken("/userinfo", status(http.StatusUnauthorized)) }, "", true},
	{"no userinfo there", func(o *openid) { o.noID = true; o.broken("/userinfo", status(http.StatusNotFound)) }, "", false},
	{"userinfo is down", func(o *openid) { o.noID = true; o.broken("/userinfo", status(http.StatusInternalServerError)) }, "", false},
	{"down", func(o *openid) { o.broken("/token", status(http.StatusBadGateway)) }, "", false},
	{"too many questions", func(o *openid) { o.broken("/token", status(http.StatusTooManyRequests)) }, "", false},
	{"sent elsewhere", func(o *openid) {
		o.broken("/token", http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect).ServeHTTP)
	}, "", false},
	{"ID token by somebody", func(o *openid) { o.signing.key = otherKey() }, "", false},
	{"ID token for another", func(o *openid) { o.claims["aud"] = "x" }, "", false},
}

func TestOIDCRenews(t *testing.T) {
	for _, tt := range oidcRenewals {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpenID(t)
			o.rotates = true
			o.info = object{"sub": "s-1", "email": "alice@example.com", "email_verified": true}
			p := o.provider(t, nil)
			before := o.in(p)
			tt.change(o)
			who, err := p.Renew(t.Context(), "alice@example.com", before.Refresh)
			if o.times("/elsewhere") > 0 {
				t.Error("what was posted was posted elsewhere")
			}
			switch {
			case tt.want != "" && (err != nil || shown(who) != tt.want || who.Refresh == before.Refresh || who.Refresh == ""):
				t.Errorf("Renew() = %s, %v; want %s", shown(who), err, tt.want)
			case tt.want == "" && (err == nil || isRefusal(err) != tt.refused || who.Account != ""):
				t.Errorf("Renew() = %s, %v; want a refusal: %t", shown(who), err, tt.refused)
			}
		})
	}
}

func TestGoogle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		domain string
		claims object
		want   string
		no     bool
	}{
		{"of the domain", "example.com", object{"hd": "example.com"}, "alice@example.com (s-1)", false},
		{"anybody", "", object{}, "alice@example.com (s-1)", false},
		{"private account with such an address", "example.com", object{}, "is not one of example.com", true},
		{"of another domain", "example.com", object{"hd": "example.org", "email": "alice@example.org"}, "is not one of example.com", true},
		{"of a domain below", "example.com", object{"hd": "x.example.com", "email": "alice@x.example.com"}, "is not one of example.com", true},
		{"two at signs", "example.com", object{"hd": "example.com", "email": `"a@example.com"@example.org`}, "is not one of example.com", true},
		{"not verified", "", object{"email_verified": false}, "not verified", true},
		{"not said to be verified", "", object{"email_verified": nil}, "no claim email_verified", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOpenID(t)
			o.also = map[string]string{"nonce": someNonce, "access_type": "offline", "hd": tt.domain, "prompt": ""}
			for name, value := range tt.claims {
				o.claims[name] = value
			}
			p, err := newGoogle(GoogleConfig{Client: gate(), Domain: tt.domain}, o.url)
			who, err := o.login(must(t, p, err))
			if err == nil && (shown(who) != tt.want || who.Refresh == "") || err != nil && (isRefusal(err) != tt.no || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Exchange() = %s, %v; want %s", shown(who), err, tt.want)
			}
			if err != nil {
				return
			}
			// The domain may be in userinfo alone.
			o.info = object{"sub": "s-1", "email": "alice@example.com", "email_verified": true, "hd": tt.domain}
			p.document.now = func() time.Time { return time.Now().Add(2 * documentLife) }
			delete(o.claims, "hd")
			if got, err := p.Renew(t.Context(), who.Account, who.Refresh); err != nil || got.Account != who.Account {
				t.Errorf("Renew() = %v, %v", got, err)
			}
			o.claims["email"], o.info["email"] = "bob@example.com", "bob@example.com"
			if _, err := p.Renew(t.Context(), who.Account, who.Refresh); !isRefusal(err) {
				t.Errorf("Renew() of another = %v", err)
			}
		})
	}
}

// TestGoogleAsksForConsentWhenWished, which is what a refresh token comes with.
func TestGoogleAsksForConsentWhenWished(t *testing.T) {
	o := newOpenID(t)
	o.also = map[string]string{"prompt": "consent", "access_type": "offline"}
	p, err := newGoogle(GoogleConfig{Client: gate()}, o.url)
	if !must(t, p, err).Terms().Consent || o.provider(t, nil).Terms().Consent {
		t.Error("Terms do not say who wants to ask for consent")
	}
	to, err := p.AuthURL(t.Context(), Start{Redirect: callback, State: someState, Nonce: someNonce, Verifier: someVerifier, Consent: true})
	if err != nil {
		t.Fatal(err)
	}
	o.browse(to)
}
