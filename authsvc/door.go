package authsvc

import (
	"context"
	"fmt"
	"strings"

	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/internal/oci"
)

// A Door lets requests in that show a token of ours. Basic credentials and
// client certificates will be shown to it as well; today they open nothing.
type Door struct{ tokens *token.Verifier }

// NewDoor makes a Door that opens for what tokens verifies.
func NewDoor(tokens *token.Verifier) *Door { return &Door{tokens} }

// Authorize returns the grant behind what was shown, if it covers needs. Its
// error is an *oci.Refusal: without a reason if nothing was shown that the
// gate understands, invalid_token, or insufficient_scope.
func (d *Door) Authorize(_ context.Context, shown oci.Shown, needs []oci.Access) (oci.Grant, error) {
	scheme, bearer, _ := strings.Cut(shown.Authorization.Reveal(), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return oci.Grant{}, &oci.Refusal{Reason: oci.NoToken, Msg: "authentication required"}
	}
	grant, err := d.tokens.Verify(bearer)
	if err != nil {
		return oci.Grant{}, err
	}
	if !grant.Covers(needs) {
		return grant, &oci.Refusal{Reason: oci.InsufficientScope, Msg: lacking(grant, needs)}
	}
	return grant, nil
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
