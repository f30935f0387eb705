package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/oci"
)

// A Revocation names what is to be refused: one of the three.
type Revocation struct {
	Subject *string `json:"subject,omitempty"` // an account: all its tokens up to now; "" is the anonymous
	Token   string  `json:"token,omitempty"`   // one token, by the id that the log has
	Family  string  `json:"family,omitempty"`  // a secret, by its id, and all tokens that follow from it
}

// maxRevocation bounds what the control socket reads.
const maxRevocation = 4 << 10

// serveRevoke refuses tokens, here at once and at other gates within seconds.
// If the state cannot be written or read, whoever asks is told that it is not all
// refused, which may be none of it.
func (p *process) serveRevoke(w http.ResponseWriter, r *http.Request) error {
	var asked Revocation
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRevocation)).Decode(&asked); err != nil {
		return oci.Errorf(oci.BadRequest, "the request cannot be read").Because(err)
	}
	answer, err := p.revoke(r.Context(), asked)
	if err != nil && p.trouble() != nil {
		err = p.ofState(inOneLine(err))
	}
	if err != nil {
		p.log.Error("not all was revoked", zap.String("by", peerOf(r)), zap.Error(err))
		return oci.Errorf(oci.Unavailable, "not all was revoked: %v", err)
	}
	p.log.Info("revoked", zap.String("by", peerOf(r)), zap.Stringp("subject", asked.Subject), zap.String("token", asked.Token),
		zap.String("family", asked.Family))
	_, err = fmt.Fprintln(w, answer)
	return err
}

func (p *process) revoke(ctx context.Context, asked Revocation) (answer string, err error) {
	switch {
	case asked.Subject != nil:
		return p.revokeSubject(ctx, *asked.Subject)
	case asked.Family != "":
		return p.revokeFamily(ctx, asked.Family)
	}
	return fmt.Sprintf("The token %s is refused from now on.", asked.Token), p.revoked.RevokeToken(ctx, asked.Token)
}

// revokeSubject ends secrets first: with one of them, there would be a new token
// at once. Who has shown one by then and waits for a directory gets a token that
// is of a family which is revoked.
func (p *process) revokeSubject(ctx context.Context, account string) (answer string, err error) {
	all, _ := p.desk.book.List(ctx, account) // what cannot be read, RevokeAll says
	ids, kinds := make([]string, len(all)), map[string]int{}
	for i, t := range all {
		ids[i] = t.ID
		kinds[t.Kind]++
	}
	_, err = p.desk.book.RevokeAll(ctx, account, "")
	err = errors.Join(err, p.revoked.RevokeFamily(ctx, ids...), p.revoked.RevokeSubject(ctx, account))
	return fmt.Sprintf("All tokens that %q was given up to now are refused: %d logins of docker, %d personal tokens\n"+
		"and %d secrets of robots have ended. Whoever can still log in gets new ones: close the account as well, where it is kept.",
		account, kinds[secret.Refresh], kinds[secret.Personal], kinds[secret.Robot]), err
}

func (p *process) revokeFamily(ctx context.Context, id string) (answer string, err error) {
	t, err := p.desk.book.Get(ctx, id)
	switch {
	case errors.Is(err, secret.ErrUnknown):
		answer, err = fmt.Sprintf("No secret has the id %q (any more). What has followed from it is refused from now on.", id), nil
	case errors.Is(err, secret.ErrBroken):
		answer, err = fmt.Sprintf("The secret %q could not be read, and has been removed. What has followed from it is refused from now on.", id), p.desk.book.Remove(ctx, id)
	case err == nil:
		answer, err = fmt.Sprintf("The %s %q of %q has ended, and all that has followed from it is refused.", kindOf(t), t.Name, t.Owner), p.desk.book.EndOf(ctx, t)
	}
	return answer, errors.Join(err, p.revoked.RevokeFamily(ctx, id))
}

// inOneLine is err without those of the errors that it joins which have the same
// cause as one before: each of the steps needs the state.
func inOneLine(err error) (whole error) {
	seen := make(map[string]bool)
	for _, one := range joined(err) {
		switch cause := causeOf(one); {
		case seen[cause]:
		case whole == nil:
			whole, seen[cause] = one, true
		default:
			whole, seen[cause] = fmt.Errorf("%w; %w", whole, one), true
		}
	}
	return whole
}

func joined(err error) (all []error) {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, one := range several.Unwrap() {
		all = append(all, joined(one)...)
	}
	return all
}

func causeOf(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// kindOf is what people call a secret.
func kindOf(t secret.Token) string {
	switch t.Kind {
	case secret.Refresh:
		return "login of"
	case secret.Robot:
		return "secret of the robot"
	}
	return t.Kind + " token"
}

// Revoke has the gate refuse tokens, and returns what it says of that, or
// ErrNotRunning.
func (c *Control) Revoke(ctx context.Context, what Revocation) (answer string, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	text, err := c.send(ctx, revokePath, body)
	return string(text), err
}
