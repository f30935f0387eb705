package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// tokenPath begins what `regate token` asks for.
const tokenPath = "/token/"

// A TokenOrder asks for a personal token or, if it names a robot, for that.
type TokenOrder struct {
	Owner   string        `json:"owner"`
	Name    string        `json:"name,omitempty"`
	Robot   string        `json:"robot,omitempty"`
	Within  []authn.Bound `json:"within,omitempty"` // none is all that the owner may
	Life    time.Duration `json:"life,omitempty"`   // 0 is the usual one
	Endless bool          `json:"endless,omitempty"`
}

func (o TokenOrder) wish() secret.Wish { return secret.Wish{Life: o.Life, Endless: o.Endless} }

// A RobotOrder asks for another secret of a robot.
type RobotOrder struct {
	Owner   string        `json:"owner"`
	Robot   string        `json:"robot"`
	Keep    time.Duration `json:"keep"`           // for which the secret before stays good
	Life    time.Duration `json:"life,omitempty"` // 0 is that of the one before
	Endless bool          `json:"endless,omitempty"`
}

// A TokenName names one secret by its id, or all secrets of a robot.
type TokenName struct {
	ID    string `json:"id,omitempty"`
	Owner string `json:"owner,omitempty"`
	Robot string `json:"robot,omitempty"`
}

// A TokenQuery says which secrets are listed.
type TokenQuery struct {
	Owner string `json:"owner,omitempty"` // "" is all of them
	Kind  string `json:"kind,omitempty"`  // "" is all but, of all owners, what docker was given at its logins
}

// A TokenInfo is what is known of a secret, all but its text.
type TokenInfo struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"` // personal, robot, refresh, or unreadable
	Owner    string     `json:"owner"`
	Name     string     `json:"name"`
	Method   string     `json:"vouched_by"`
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires"` // null is never
	Used     *time.Time `json:"last_used"`
	Expired  bool       `json:"expired"`
	Replaced bool       `json:"replaced"`
	Within   []TokenFor `json:"within"` // null is all that the owner may
	Service  string     `json:"service,omitempty"`
}

// TokenFor is what a secret is good for.
type TokenFor struct {
	Repository string   `json:"repository"`
	Actions    []string `json:"actions"`
}

// unreadable is the kind of a record that cannot be read.
const unreadable = "unreadable"

func newTokenInfo(t secret.Token, now time.Time) TokenInfo {
	info := TokenInfo{
		ID: t.ID, Kind: t.Kind, Owner: t.Owner, Name: t.Name, Method: t.Method, Created: t.Created.UTC().Truncate(time.Second),
		Expires: unlessZero(t.Expires), Used: unlessZero(t.Used), Expired: t.Expired(now), Replaced: t.Replaced, Service: t.Service,
	}
	for _, b := range t.Within {
		info.Within = append(info.Within, TokenFor(b))
	}
	return info
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second) // as it is kept
	return &t
}

// write writes t if it is asked for.
func (q TokenQuery) write(out *json.Encoder, t secret.Token, now time.Time) error {
	wanted := q.Kind == t.Kind || q.Kind == "" && (q.Owner != "" || t.Kind != secret.Refresh)
	if !wanted {
		return nil
	}
	return out.Encode(newTokenInfo(t, now))
}

// A NewToken is shown once.
type NewToken struct {
	Text  string    `json:"token"`
	Token TokenInfo `json:"about"`
}

// A RotatedToken is a new secret of a robot, and what became of those before.
type RotatedToken struct {
	NewToken
	Kept  []TokenInfo `json:"kept,omitempty"`  // until they expire, soon
	Ended []TokenInfo `json:"ended,omitempty"` // at once
	// Held are those of Ended for which tokens were given out that could not be
	// ended: they go on until they expire, a few minutes.
	Held []string `json:"held,omitempty"`
}

// CreateToken has the gate make a token, or says why not, or ErrNotRunning; so
// do the others.
func (c *Control) CreateToken(ctx context.Context, o TokenOrder) (made NewToken, err error) {
	err = c.order(ctx, "create", o, &made)
	return made, err
}

// RotateRobot has the gate make another secret of a robot.
func (c *Control) RotateRobot(ctx context.Context, o RobotOrder) (done RotatedToken, err error) {
	err = c.order(ctx, "rotate", o, &done)
	return done, err
}

// ShowToken returns what is known of a secret.
func (c *Control) ShowToken(ctx context.Context, id string) (info TokenInfo, err error) {
	err = c.order(ctx, "show", TokenName{ID: id}, &info)
	return info, err
}

// DeleteTokens ends secrets, and returns what they were.
func (c *Control) DeleteTokens(ctx context.Context, which TokenName) (ended []TokenInfo, err error) {
	err = c.order(ctx, "delete", which, &ended)
	return ended, err
}

// Tokens lists secrets.
func (c *Control) Tokens(ctx context.Context, q TokenQuery) (all []TokenInfo, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	text, err := c.send(ctx, tokenPath+"list", body)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var info TokenInfo
		switch err := d.Decode(&info); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, info)
	}
}

func (c *Control) order(ctx context.Context, what string, asked, answer any) error {
	body, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	text, err := c.send(ctx, tokenPath+what, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}
