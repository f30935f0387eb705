package authsvc

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// An ask is a request for a token: who asks, for which service, for what.
type ask struct {
	cred    authn.Credentials
	account string // that whoever asks says to be; "" if nothing is said
	service string // "" is the default one
	client  string // what the client calls itself, for the log
	scope   oci.Scope
	offline bool // it wants a refresh token as well
}

// parseAsk reads a request for a token in any of the forms that clients use
// (protocol.md 1.2, 1.3): a GET with Basic credentials, a POST with a grant,
// or a POST with Basic credentials, which is the GET with its parameters in
// the body. A client certificate takes the place of Basic credentials where
// there are none.
func parseAsk(r *http.Request) (ask, error) {
	params, err := parameters(r)
	if err != nil {
		return ask{}, err
	}
	cred, err := credentials(r, params)
	if err != nil {
		return ask{}, err
	}
	cred.From = edge.Client(r)
	scope, err := oci.ParseScope(params["scope"])
	if err != nil {
		return ask{}, err
	}
	return ask{
		cred:    cred,
		account: params.Get("account"),
		service: params.Get("service"),
		client:  params.Get("client_id"),
		scope:   scope,
		offline: params.Get("offline_token") == "true" || params.Get("access_type") == "offline",
	}, nil
}

// parameters returns those of the query of a GET, and those of the body of a
// POST: nothing in the query of a POST is believed, since queries are logged.
func parameters(r *http.Request) (url.Values, error) {
	raw := r.URL.RawQuery
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		body, err := form(r)
		if err != nil {
			return nil, err
		}
		raw = body
	default:
		return nil, oci.Errorf(oci.Unsupported, "ask for a token with GET or POST").With("Allow", "GET, HEAD, POST")
	}
	params, err := url.ParseQuery(raw)
	if err != nil {
		return nil, oci.Errorf(oci.BadRequest, "the parameters cannot be parsed")
	}
	for key, values := range params {
		if key != "scope" && len(values) > 1 {
			return nil, oci.Errorf(oci.BadRequest, "a parameter other than scope is given twice")
		}
	}
	return params, nil
}

// form reads the body of a POST as text. Its size and pace are limited already.
func form(r *http.Request) (string, error) {
	typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typ != "application/x-www-form-urlencoded" {
		return "", oci.Errorf(oci.BadRequest, "the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(r.Body)
	var limit *oci.Error
	switch {
	case errors.As(err, &limit):
		return "", err
	case err != nil:
		return "", oci.Errorf(oci.BadRequest, "the body cannot be read").Because(err)
	}
	return string(body), nil
}

// credentials finds those of a request, of which there may be one kind only.
// Whoever shows none is anonymous, but not in a POST: its credentials are in
// the body, so a client that means somebody would silently become nobody.
func credentials(r *http.Request, params url.Values) (authn.Credentials, error) {
	basic, err := basicAuth(r.Header)
	if err != nil {
		return basic, err
	}
	typ := grantType(r.Method, params)
	if basic.Anonymous() && typ == "" && r.TLS != nil {
		basic.Chains = r.TLS.VerifiedChains
	}
	cred, err := grant(r.Method, typ, params, basic)
	if err != nil {
		return cred, err
	}
	account := params.Get("account")
	switch {
	case !plausible(cred):
		return cred, unauthenticated(badLogin)
	case account != "" && cred.Anonymous():
		return cred, unauthenticated("an account needs its password")
	case account != "" && account != cred.Account && !namesItself(cred):
		return cred, otherAccount()
	}
	return cred, nil
}

// namesItself reports whether it is in the credentials themselves whose they are.
func namesItself(c authn.Credentials) bool { return c.Certified() || isRefresh(c) }

func otherAccount() error {
	return oci.Errorf(oci.BadRequest, "account is not the user that logs in")
}

// Longest password that is handed to a back end, and longest token that is looked
// at, in bytes.
const (
	maxPassword = 4096
	maxToken    = 16 << 10
)

// plausible reports whether any back end could know the credentials. Whoever
// writes a token where the name belongs is not to find it in the log.
func plausible(c authn.Credentials) bool {
	longest := maxPassword
	if len(c.Password) > longest && len(c.Password) <= maxToken && idp.IsJWT(c.Password.Reveal()) {
		longest = maxToken
	}
	return len(c.Password) <= longest && isName(c.Account) && !isOurs(authn.Secret(c.Account))
}

// isName reports whether account can be one, or is nobody's.
func isName(account string) bool { return account == authn.Anonymous || authn.Plausible(account) }

// grantType is that of a POST, "" if it has none. A GET never has one.
func grantType(method string, params url.Values) string {
	if method != http.MethodPost {
		return ""
	}
	return params.Get("grant_type")
}

// grant picks the credentials that the grant type names.
func grant(method, typ string, params url.Values, basic authn.Credentials) (authn.Credentials, error) {
	switch {
	case method != http.MethodPost:
		return basic, nil
	case typ == "" && basic.Anonymous():
		return basic, unauthenticated("a POST needs a grant_type or Basic credentials")
	case typ == "":
		return basic, nil
	case !basic.Anonymous():
		return basic, oci.Errorf(oci.BadRequest, "a grant in the body and Basic credentials exclude each other")
	case typ != "password" && typ != "refresh_token":
		return basic, oci.Errorf(oci.BadRequest, "grant_type must be password or refresh_token")
	case params.Get("password") != "" && params.Get("refresh_token") != "":
		return basic, oci.Errorf(oci.BadRequest, "a password and a refresh token exclude each other")
	case typ == "refresh_token":
		return refreshGrant(params)
	}
	cred := authn.Credentials{Account: params.Get("username"), Password: authn.Secret(params.Get("password"))}
	if cred.Account == "" || cred.Password == "" {
		return cred, unauthenticated("the password grant needs a username and a password")
	}
	return cred, nil
}

func refreshGrant(params url.Values) (authn.Credentials, error) {
	cred := authn.Credentials{Password: authn.Secret(params.Get("refresh_token"))}
	if cred.Password == "" {
		return cred, unauthenticated("the refresh_token grant needs a refresh_token")
	}
	return cred, nil
}

// anyToken stands in the place of a user name where docker's credential helpers
// keep a refresh token. containerd and BuildKit write no name at all.
const anyToken = "<token>"

// basicAuth returns the credentials of the Authorization header; none if there
// is no header, or one that holds nothing.
func basicAuth(h http.Header) (authn.Credentials, error) {
	shown := h.Values("Authorization")
	if len(shown) == 0 {
		return authn.Credentials{}, nil
	}
	if len(shown) > 1 {
		return authn.Credentials{}, oci.Errorf(oci.BadRequest, "more than one Authorization header")
	}
	user, password, ok := (&http.Request{Header: h}).BasicAuth()
	if !ok {
		return authn.Credentials{}, unauthenticated("log in with Basic credentials")
	}
	if user == anyToken && password != "" {
		user = ""
	}
	return authn.Credentials{Account: user, Password: authn.Secret(password)}, nil
}

// isOurs reports whether a password has the form of a token, which is never
// handed to a back end that could write it down: a JWT, or the mark of a
// personal token. What has something before it is one too, though it is good
// for nothing: spaces and quotes that were pasted with it, the BOM that a shell of
// Windows writes, or all of a header.
func isOurs(password authn.Secret) bool {
	text := strings.TrimLeftFunc(password.Reveal(), isNoWord)
	if scheme, token, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimLeft(token, " ")
	}
	return strings.HasPrefix(text, secret.Prefix) || idp.IsJWT(text)
}

func isNoWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
