package authsvc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// Visible returns those of names that whoever has the grant may pull from, in
// the same order: the rules are asked about each, as if a token was wanted for
// it. shown is what came with this request, of which only the client's address
// matters any more. An error means that it could not tell.
func (d *Door) Visible(ctx context.Context, shown oci.Shown, g oci.Grant, names []string) ([]string, error) {
	labels, err := d.logins.labelsOf(ctx, g)
	if err != nil {
		return nil, err
	}
	who := acl.Ask{
		Identity: authn.Identity{Account: g.Subject, Labels: labels},
		From:     shown.From,
		Service:  d.logins.within(shown.Namespace),
	}
	visible := make([]string, 0, len(names))
	for _, name := range names {
		who.Want = oci.Access{Type: oci.Repository, Name: name, Actions: oci.Pull}
		granted, _, err := d.logins.rules.Decide(ctx, who)
		if err != nil {
			return nil, undecided(err)
		}
		if granted&oci.Pull != 0 {
			visible = append(visible, name)
		}
	}
	return visible, nil
}

// labelsFor are the labels that a grant of scope carries, for a life: none,
// unless it lists repositories. They are asked about then, and one of them may
// be what a rule refuses by.
func (s *Service) labelsFor(ctx context.Context, id authn.Identity, scope oci.Scope, life time.Duration) ([]byte, error) {
	if !scope.Contains(oci.CatalogAccess()) {
		return nil, nil
	}
	read := s.rules.Read(id.Labels)
	if len(read) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(read)
	if err != nil {
		return nil, err
	}
	packed, err := s.labels.Pack(ctx, text, life)
	if err != nil {
		return nil, oci.Errorf(oci.Unavailable, "cannot grant the listing of repositories now").With("Retry-After", "5").Because(err)
	}
	return packed, nil
}

// labelsOf are the labels that a grant carries.
func (s *Service) labelsOf(ctx context.Context, g oci.Grant) (labels authn.Labels, err error) {
	text, err := s.labels.Unpack(ctx, g.Labels)
	var refusal *oci.Refusal
	switch {
	case errors.As(err, &refusal):
		return nil, err
	case err != nil:
		return nil, undecided(err)
	case len(text) == 0:
		return nil, nil
	}
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, fmt.Errorf("labels of a token: %w", err)
	}
	return labels, nil
}
