package browser

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/edge"
)

// revoke ends one token of the session's account.
func (p *Pages) revoke(w http.ResponseWriter, r *http.Request, s session) error {
	id := r.PostForm.Get("id")
	all, _ := p.book.List(r.Context(), s.Account) // for its name alone
	err := p.book.Revoke(r.Context(), s.Account, id)
	if errors.Is(err, secret.ErrUnknown) { // revoked in another window
		return nil
	}
	if err != nil {
		return err
	}
	p.log.Info("token revoked", zap.String("subject", s.Account), zap.String("family", id), zap.Stringer("client", edge.Client(r)))
	ended := p.refuse(func(by Revoker) error { return by.RevokeFamily(r.Context(), id) })
	for _, t := range all {
		if t.ID == id {
			return p.noteDone(w, s, deed{Text: fmt.Sprintf("“%s” is revoked.", t.Name), Ended: ended})
		}
	}
	return nil
}

// refuse ends what was given out for what is revoked, and reports whether it has
// ended. The token itself has, whatever comes of that.
func (p *Pages) refuse(with func(Revoker) error) bool {
	if p.revoked == nil {
		return false
	}
	err := with(p.revoked)
	if err != nil {
		p.log.Warn("what was given out for a token goes on until it expires", zap.Error(err))
	}
	return err == nil
}

// revokeAll ends all of them. They are refused by their ids as well: whoever has
// shown one by then, and waits for the provider, gets a token after that.
func (p *Pages) revokeAll(w http.ResponseWriter, r *http.Request, s session) error {
	all, _ := p.book.List(r.Context(), s.Account) // what cannot be read, RevokeAll says
	n, err := p.book.RevokeAll(r.Context(), s.Account, "")
	if n > 0 {
		p.log.Info("tokens revoked", zap.String("subject", s.Account), zap.Int("tokens", n), zap.Stringer("client", edge.Client(r)))
	}
	ids := make([]string, len(all))
	for i, t := range all {
		ids[i] = t.ID
	}
	ended := p.refuse(func(by Revoker) error {
		return errors.Join(by.RevokeFamily(r.Context(), ids...), by.RevokeSubject(r.Context(), s.Account))
	})
	if err != nil {
		return err
	}
	return p.noteDone(w, s, deed{Text: "All your tokens are revoked.", Ended: ended})
}

// A deed is what the next page says was done. It comes sealed, as a page that
// says whatever somebody has put into a link would be believed.
type deed struct {
	Account string `json:"account"`
	Text    string `json:"text"`
	Ended   bool   `json:"ended"` // what was given out for it has, too
	At      int64  `json:"at"`    // Unix seconds
}

func (p *Pages) noteDone(w http.ResponseWriter, s session, d deed) error {
	n := int(math.Ceil(p.held.Minutes()))
	switch {
	case d.Ended:
		d.Text += " What docker holds has ended with it."
	case n == 1:
		d.Text += " What docker holds ends within a minute."
	case n > 1:
		d.Text += fmt.Sprintf(" What docker holds ends within %d minutes.", n)
	}
	d.Account, d.At = s.Account, p.now().Unix()
	return p.cookies.give(w, doneCookie, d, handoverTime)
}

// justDone returns what was done a moment ago, once; "" if that was nothing.
func (p *Pages) justDone(w http.ResponseWriter, r *http.Request, s session) string {
	var d deed
	if err := p.cookies.take(r, doneCookie, &d); err != nil || r.Method == http.MethodHead {
		return ""
	}
	forget(w, doneCookie)
	if d.Account != s.Account || p.now().Sub(time.Unix(d.At, 0)) >= handoverTime {
		return ""
	}
	return d.Text
}
