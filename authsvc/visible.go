package authsvc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
	"github.com/regate/regate/internal/oci"
)

// Visible returns those of names that whoever has the grant may pull from, in
// the same order: the rules are asked about each, as if a token was wanted for
// it. shown is what came with this request, of which only the client's address
// matters any more. An error means that it could not tell.
func (d *Door) Visible(ctx context.Context, shown oci.Shown, g oci.Grant, names []string) ([]string, error) {
	c, err := d.logins.carriedBy(ctx, g)
	if err != nil {
		return nil, err
	}
	who := acl.Ask{
		Identity: authn.Identity{Account: g.Subject, Labels: c.Labels},
		From:     shown.From,
		Service:  d.logins.within(shown.Namespace),
	}
	limits := narrow.New(c.Within)
	visible := make([]string, 0, len(names))
	for _, name := range names {
		who.Want = oci.Access{Type: oci.Repository, Name: name, Actions: oci.Pull}
		if limits.Cut(who.Want) == 0 {
			continue
		}
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

// carried is what a grant that lists repositories says of whoever has it, beside
// the account: what the rules read of the labels, one of which may be what a
// rule refuses by, and what the secret is good for that was shown.
type carried struct {
	Labels authn.Labels  `json:"labels,omitempty"`
	Within []authn.Bound `json:"within,omitempty"`
}

// labelsFor is what a grant of scope carries, for a life: nothing, unless it
// lists repositories. The rules are asked about those then.
func (s *Service) labelsFor(ctx context.Context, id authn.Identity, scope oci.Scope, life time.Duration) ([]byte, error) {
	if !scope.Contains(oci.CatalogAccess()) {
		return nil, nil
	}
	c := carried{Labels: s.rules.Read(id.Labels), Within: id.Via.Within}
	if len(c.Labels) == 0 && len(c.Within) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	packed, err := s.labels.Pack(ctx, text, life)
	if err != nil {
		return nil, oci.Errorf(oci.Unavailable, "cannot grant the listing of repositories now").With("Retry-After", "5").Because(err)
	}
	return packed, nil
}

// carriedBy is what a grant carries. One that cannot be read is worth nothing:
// it may say what its bearer must not see.
func (s *Service) carriedBy(ctx context.Context, g oci.Grant) (c carried, err error) {
	text, err := s.labels.Unpack(ctx, g.Labels)
	var refusal *oci.Refusal
	switch {
	case errors.As(err, &refusal):
		return c, err
	case err != nil:
		return c, undecided(err)
	case len(text) == 0:
		return c, nil
	}
	read := json.NewDecoder(bytes.NewReader(text))
	read.DisallowUnknownFields()
	if err := read.Decode(&c); err != nil {
		return carried{}, &oci.Refusal{Reason: oci.InvalidToken, Msg: "token is not valid", Err: fmt.Errorf("labels: %w", err)}
	}
	return c, nil
}
