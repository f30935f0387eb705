package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/oci"
)

// A Revocation names what is to be refused: one of both.
type Revocation struct {
	Subject *string `json:"subject,omitempty"` // an account: all its tokens up to now; "" is the anonymous
	Token   string  `json:"token,omitempty"`   // one token, by the id that the log has
}

// maxRevocation bounds what the control socket reads.
const maxRevocation = 4 << 10

// serveRevoke refuses tokens, here at once and at other gates within seconds.
// If the state cannot be written nothing is refused, and whoever asks is told.
func (p *process) serveRevoke(w http.ResponseWriter, r *http.Request) error {
	var asked Revocation
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRevocation)).Decode(&asked); err != nil {
		return oci.Errorf(oci.BadRequest, "the request cannot be read").Because(err)
	}
	answer, err := p.revoke(r.Context(), asked)
	if err != nil {
		p.log.Error("nothing was revoked", zap.String("by", peerOf(r)), zap.Error(err))
		return oci.Errorf(oci.Unavailable, "nothing was revoked: %v", err)
	}
	p.log.Info("revoked", zap.String("by", peerOf(r)), zap.Stringp("subject", asked.Subject), zap.String("token", asked.Token))
	_, err = fmt.Fprintln(w, answer)
	return err
}

// revoke ends personal tokens first: with one of them, there would be a new
// token at once.
func (p *process) revoke(ctx context.Context, asked Revocation) (answer string, err error) {
	if asked.Subject == nil {
		return fmt.Sprintf("The token %s is refused from now on.", asked.Token), p.revoked.RevokeToken(ctx, asked.Token)
	}
	n, err := p.desk.book.RevokeAll(ctx, *asked.Subject, "")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("All tokens that %q was given up to now are refused, and %d personal tokens have ended.\n"+
			"Whoever can still log in gets new ones: close the account as well, where it is kept.", *asked.Subject, n),
		p.revoked.RevokeSubject(ctx, *asked.Subject)
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
