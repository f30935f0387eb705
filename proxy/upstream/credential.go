package upstream

import (
	"fmt"
	"net/http"
	"time"

	"github.com/regate/regate/internal/oci"
)

// A Credential is what the gate shows to a registry.
//
// Out has no Authorization header when Set is called, and the one that the
// registry shall see when it returns: what the client showed is in the grant
// alone, and stays there unless an implementation takes it out. Needs is what the registry will ask for,
// which can be more than the client was granted: who may push may cancel an
// upload, for which distribution wants "delete". An error means that nothing
// may be sent. Calls may overlap.
type Credential interface {
	Set(out *http.Request, grant oci.Grant, needs []oci.Access) error
}

const authorization = "Authorization"

// none is for a registry that trusts its network.
type none struct{}

func (none) Set(*http.Request, oci.Grant, []oci.Access) error { return nil }

// basic is for a registry that knows the gate as one of its users.
type basic struct{ header string }

func (b basic) Set(out *http.Request, _ oci.Grant, _ []oci.Access) error {
	out.Header.Set(authorization, b.header)
	return nil
}

// minted is for a registry that trusts the gate to say who comes and what for.
type minted struct{ tokens *tokens }

func (m minted) Set(out *http.Request, grant oci.Grant, needs []oci.Access) error {
	token, err := m.tokens.token(grant.Subject, needs)
	if err != nil {
		return fmt.Errorf("mint a token for the registry: %w", err)
	}
	out.Header.Set(authorization, "Bearer "+token)
	return nil
}

// forwarded is for a registry that checks the client's own token. That passes
// as long as it is enough for what the registry will ask; where the gate
// changed the request, asks for it on its own account, or has let somebody in
// whose token has expired in the middle of a push, or is for a namespace, of
// which the registry knows nothing, it sends one like it.
type forwarded struct {
	minted
	now func() time.Time
}

func (f forwarded) Set(out *http.Request, grant oci.Grant, needs []oci.Access) error {
	token := grant.Bearer.Reveal()
	if token == "" || grant.Namespace != "" || !grant.Covers(needs) || grant.Expired(f.now()) {
		return f.minted.Set(out, grant, needs)
	}
	out.Header.Set(authorization, "Bearer "+token)
	return nil
}

// unchecked is for a registry that does all of the checking itself: whatever
// the client shows is for it to judge.
type unchecked struct{}

func (unchecked) Set(out *http.Request, grant oci.Grant, _ []oci.Access) error {
	if header := grant.Unchecked.Reveal(); header != "" {
		out.Header.Set(authorization, header)
	}
	return nil
}
