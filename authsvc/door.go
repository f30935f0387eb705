package authsvc

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/oci"
)

// A Door lets requests in that show a token of ours, or whose sender logs in
// with the request itself, by Basic credentials or a client certificate: that
// is granted what a token for just this request would grant, by the same
// accounts, the same memory of good passwords and the same rules.
type Door struct {
	tokens *token.Verifier
	logins *Service
}

// NewDoor makes a Door that opens for what tokens verifies and for whom logins
// knows.
func NewDoor(tokens *token.Verifier, logins *Service) *Door { return &Door{tokens, logins} }

// Authorize returns the grant behind what was shown, if it covers needs. Whom
// it turns away gets an *oci.Refusal: without a reason if nobody was let in by
// what was shown, invalid_token, or insufficient_scope. Any other error means
// that it could not tell.
func (d *Door) Authorize(ctx context.Context, shown oci.Shown, needs []oci.Access) (oci.Grant, error) {
	grant, err := d.enter(ctx, shown, needs)
	if err != nil {
		return oci.Grant{}, err
	}
	if !grant.Covers(needs) {
		return grant, &oci.Refusal{Reason: oci.InsufficientScope, Msg: lacking(grant, needs)}
	}
	return grant, nil
}

func (d *Door) enter(ctx context.Context, shown oci.Shown, needs []oci.Access) (oci.Grant, error) {
	scheme, bearer, _ := strings.Cut(shown.Authorization.Reveal(), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return d.token(bearer, shown)
	}
	cred, err := direct(shown)
	switch {
	case err != nil:
		return oci.Grant{}, challenged(err)
	case cred.Anonymous():
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: needsToken}
	case cred.Certified() && len(needs) == 0:
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: needsTokenHere}
	}
	return d.login(ctx, cred, shown, needs)
}

// token returns the grant behind a token. One for a namespace is good for no
// other, and not for the gate itself: its sender has written names which mean
// something else there.
func (d *Door) token(bearer string, shown oci.Shown) (oci.Grant, error) {
	g, err := d.tokens.VerifyLate(bearer, shown.Grace)
	if err == nil && g.Namespace != "" && g.Namespace != shown.Namespace {
		return oci.Grant{}, &oci.Refusal{Reason: oci.InvalidToken, Msg: "token is for " + g.Namespace + " alone"}
	}
	return g, err
}

// needsToken is what the anonymous are told. They get tokens as well, if there
// is such an account: that is how docker learns whom to ask.
const needsToken = "authentication required"

// needsTokenHere is what is said at /v2/ to those who show a certificate and
// nothing else. docker, podman and crane would take a 200 for a registry where
// nobody logs in: they would never show the password or token that their user
// has, and `docker login` would take any password for right. With the challenge
// they ask for a token, which the certificate gets them as well.
const needsTokenHere = needsToken + ": the certificate is good for a token from /auth, and for repositories"

// refreshHere is what is said to those who show a refresh token where a token is
// wanted. Every client that has one gets itself a token with it.
const refreshHere = "a refresh token is good for a token from /auth alone"

// direct returns the credentials of a request that shows no token; none if it
// shows nothing that the gate understands. The certificate counts only beside
// no Authorization: whoever shows that wants to be somebody else, or nobody.
func direct(shown oci.Shown) (cred authn.Credentials, err error) {
	header := shown.Authorization.Reveal()
	scheme, _, _ := strings.Cut(header, " ")
	switch {
	case header == "":
	case !strings.EqualFold(scheme, "Basic"):
		return cred, nil
	default:
		cred, err = basicAuth(http.Header{"Authorization": {header}})
	}
	switch {
	case err != nil:
	case !plausible(cred):
		err = unauthenticated(badLogin)
	case isRefresh(cred):
		err = unauthenticated(refreshHere)
	}
	if cred.Anonymous() {
		cred.Chains = shown.Chains
	}
	cred.From = shown.From
	return cred, err
}

// login returns what the rules grant of needs to whoever has cred. It is as if
// a token was issued at this moment: one that would be refused by what is
// revoked is not good for this request either.
func (d *Door) login(ctx context.Context, cred authn.Credentials, shown oci.Shown, needs []oci.Access) (oci.Grant, error) {
	id, err := d.logins.identify(ctx, cred, whither{origin: shown.Origin, guests: shown.Guests})
	switch {
	case err != nil:
		return oci.Grant{}, challenged(err)
	case id.Account == authn.Anonymous && len(needs) == 0: // who has let everybody know who it is, and is a stranger
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: needsToken}
	}
	if d.tokens.Revoked(id.Account) {
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: "access was revoked"}
	}
	who := acl.Ask{Identity: id, From: cred.From, Service: d.logins.within(shown.Namespace)}
	scope, err := d.logins.grant(ctx, who, oci.NewScope(needs...))
	if err != nil {
		return oci.Grant{}, err
	}
	labels, err := d.logins.labelsFor(ctx, id, scope, directLife)
	return oci.Grant{Subject: id.Account, Scope: scope, Labels: labels}, err
}

// directLife is how long a grant of one request can matter.
const directLife = time.Minute

// challenged makes of a 401, as the token service has them, the refusal that
// becomes a challenge.
func challenged(err error) error {
	if e := oci.AsError(err); e.Kind == oci.Unauthenticated {
		return &oci.Refusal{Reason: oci.NoToken, Msg: e.Msg, Err: e.Err}
	}
	return err
}

// lacking says what is missing, for the user: docker prints it.
func lacking(g oci.Grant, needs []oci.Access) string {
	who := g.Subject
	if who == "" {
		who = "whoever is not logged in"
	}
	for _, n := range needs {
		for _, act := range []oci.Actions{oci.Any, oci.Push, oci.Delete, oci.Pull} {
			one := oci.Access{Type: n.Type, Name: n.Name, Actions: act}
			if n.Actions&act != 0 && !g.Scope.Contains(one) {
				return fmt.Sprintf("%s may not %s", who, deed(one))
			}
		}
	}
	return who + " may not do this"
}

func deed(a oci.Access) string {
	switch a.Actions {
	case oci.Pull:
		return "pull from " + a.Name
	case oci.Push:
		return "push to " + a.Name
	case oci.Delete:
		return "delete in " + a.Name
	}
	return "list all repositories"
}
