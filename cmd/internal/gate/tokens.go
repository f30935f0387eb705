package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// serveTokens answers `regate token`.
func (p *process) serveTokens(w http.ResponseWriter, r *http.Request) error {
	switch r.URL.Path {
	case tokenPath + "create":
		return answerTo(w, r, p.createToken)
	case tokenPath + "rotate":
		return answerTo(w, r, p.rotateRobot)
	case tokenPath + "show":
		return answerTo(w, r, p.showToken)
	case tokenPath + "delete":
		return answerTo(w, r, p.deleteTokens)
	case tokenPath + "list":
		return p.listTokens(w, r)
	}
	return oci.Errorf(oci.NoSuchPath, "no such path")
}

// maxOrder bounds what the control socket reads of an order.
const maxOrder = 64 << 10

// answerTo reads what is asked, does it, and writes what came of it.
func answerTo[Q, A any](w http.ResponseWriter, r *http.Request, do func(*http.Request, Q) (A, error)) error {
	var asked Q
	if err := readOrder(r, &asked); err != nil {
		return err
	}
	answer, err := do(r, asked)
	if err != nil {
		return orderRefused(err)
	}
	return json.NewEncoder(w).Encode(answer)
}

func readOrder(r *http.Request, asked any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(asked); err != nil {
		return oci.Errorf(oci.BadRequest, "the request cannot be read: %v", err)
	}
	return nil
}

// orderRefused tells the operator all there is: nobody else opens the socket.
func orderRefused(err error) error {
	if isMistaken(err) {
		return oci.Errorf(oci.BadRequest, "%v", err)
	}
	return oci.Errorf(oci.Unavailable, "%v", err)
}

// isMistaken reports whether an order cannot be carried out whatever is well.
func isMistaken(err error) bool {
	for _, mistake := range []error{
		secret.ErrUnknown, secret.ErrExists, secret.ErrNoRobot, secret.ErrTooMany, secret.ErrLife, secret.ErrName, authn.ErrUnknownUser,
	} {
		if errors.Is(err, mistake) {
			return true
		}
	}
	var wrong problem.List
	return errors.As(err, &wrong)
}

// ofState says of an error what it is that keeps us from doing what was ordered,
// if that is known to be the state that gates share.
func (p *process) ofState(err error) error {
	switch t := p.trouble(); {
	case err == nil || t == nil || isMistaken(err):
		return err
	case t.Answers:
		return fmt.Errorf("the state does not do what it is asked: %w", err)
	}
	return fmt.Errorf("the state cannot be asked: %w", err)
}

// createToken makes a personal token, or a robot with its first secret.
func (p *process) createToken(r *http.Request, o TokenOrder) (NewToken, error) {
	t := secret.Token{Kind: secret.Personal, Name: o.Name, Within: o.Within}
	if o.Robot != "" {
		t.Kind, t.Name = secret.Robot, o.Robot
	}
	if err := secret.CheckName(t.Kind, t.Name); err != nil {
		return NewToken{}, err
	}
	var err error
	live := p.board.live.Load()
	if t.Expires, err = live.file.Auth.PersonalTokens.Ends(t.Kind, o.wish(), p.now()); err != nil {
		return NewToken{}, err
	}
	if t.Method, t.Owner, err = p.ownerOf(r.Context(), live, o.Owner); err != nil {
		return NewToken{}, err
	}
	text, t, err := p.desk.book.Create(r.Context(), t)
	if err != nil {
		return NewToken{}, p.ofState(err)
	}
	p.logToken(r, "token made", t)
	return NewToken{Text: text.Reveal(), Token: newTokenInfo(t, p.now())}, nil
}

// ownerOf returns who can vouch for an account, and how that writes its name.
func (p *process) ownerOf(ctx context.Context, live *generation, name string) (method, account string, err error) {
	method, id, err := live.vouchers.Holder(ctx, name)
	switch {
	case errors.Is(err, authn.ErrUnknownUser) && live.file.Auth.ExtAuth != nil:
		return "", "", fmt.Errorf("nobody knows %q: %w (accounts of ext_auth cannot be looked up without their password, and so cannot own tokens)", name, err)
	case errors.Is(err, authn.ErrUnknownUser):
		return "", "", fmt.Errorf("nobody knows %q: %w (it must be in auth.users, or in whatever else can look up accounts)", name, err)
	case err != nil:
		return "", "", fmt.Errorf("cannot tell whether there is an account %q: %w", name, err)
	}
	return method, id.Account, nil
}

// rotateRobot gives a robot another secret.
func (p *process) rotateRobot(r *http.Request, o RobotOrder) (done RotatedToken, err error) {
	live := p.board.live.Load()
	rot := secret.Rotation{Name: o.Robot, Keep: o.Keep}
	if o.Life != 0 || o.Endless {
		ends, err := live.file.Auth.PersonalTokens.Ends(secret.Robot, secret.Wish{Life: o.Life, Endless: o.Endless}, p.now())
		if err != nil {
			return done, err
		}
		rot.Expires = &ends
	}
	if rot.Method, rot.Owner, err = p.ownerOf(r.Context(), live, o.Owner); err != nil {
		return done, err
	}
	rotated, err := p.desk.book.Rotate(r.Context(), rot)
	if err != nil {
		return done, p.ofState(err)
	}
	p.logToken(r, "secret of a robot made", rotated.New)
	done.NewToken = NewToken{Text: rotated.Text.Reveal(), Token: newTokenInfo(rotated.New, p.now())}
	for _, t := range rotated.Kept {
		p.logToken(r, "secret of a robot replaced", t)
		done.Kept = append(done.Kept, newTokenInfo(t, p.now()))
	}
	for _, t := range rotated.Ended {
		p.logToken(r, "token ended", t)
		done.Ended = append(done.Ended, newTokenInfo(t, p.now()))
		if wrong := p.revoked.RevokeFamily(r.Context(), t.ID); wrong != nil {
			done.Held = append(done.Held, t.ID)
		}
	}
	return done, nil
}

func (p *process) showToken(r *http.Request, o TokenName) (TokenInfo, error) {
	t, err := p.desk.book.Get(r.Context(), o.ID)
	if err != nil {
		return TokenInfo{}, p.ofState(noID(o.ID, err))
	}
	return newTokenInfo(t, p.now()), nil
}

// noID is the error of somebody who has an id that leads to nothing.
func noID(id string, err error) error {
	if errors.Is(err, secret.ErrUnknown) {
		return fmt.Errorf("%w: none has the id %q (any more)", err, id)
	}
	return fmt.Errorf("%q: %w", id, err)
}

// deleteTokens ends one secret, or all of a robot, and what was given out for
// them.
func (p *process) deleteTokens(r *http.Request, o TokenName) (ended []TokenInfo, err error) {
	all, err := p.named(r.Context(), o)
	if err != nil {
		return nil, p.ofState(err)
	}
	for _, t := range all {
		if err := p.desk.book.Revoke(r.Context(), t.Owner, t.ID); err != nil && !errors.Is(err, secret.ErrUnknown) {
			return nil, fmt.Errorf("%s was not ended: %w", t.ID, p.ofState(err))
		}
		p.logToken(r, "token ended", t)
		ended = append(ended, newTokenInfo(t, p.now()))
		if err := p.revoked.RevokeFamily(r.Context(), t.ID); err != nil {
			return nil, fmt.Errorf("%s has ended, but what was given out for it goes on until it expires: %w", t.ID, p.ofState(err))
		}
	}
	return ended, nil
}

// named are the secrets that somebody means.
func (p *process) named(ctx context.Context, o TokenName) ([]secret.Token, error) {
	if o.ID != "" {
		t, err := p.desk.book.Get(ctx, o.ID)
		if err != nil {
			err = noID(o.ID, err)
		}
		return []secret.Token{t}, err
	}
	all, err := p.desk.book.Robot(ctx, o.Owner, o.Robot)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%w: %q of %q", secret.ErrNoRobot, o.Robot, o.Owner)
	}
	return all, err
}

// listTokens writes one after the other as they are found, as there may be very
// many.
func (p *process) listTokens(w http.ResponseWriter, r *http.Request) error {
	var q TokenQuery
	if err := readOrder(r, &q); err != nil {
		return err
	}
	out := json.NewEncoder(w)
	if q.Owner != "" {
		all, err := p.desk.book.List(r.Context(), q.Owner)
		if err != nil {
			return orderRefused(p.ofState(err))
		}
		for _, t := range all {
			if err := q.write(out, t, p.now()); err != nil {
				return err
			}
		}
		return nil
	}
	for t, err := range p.desk.book.All(r.Context()) {
		switch {
		case err != nil && t.ID == "":
			return orderRefused(p.ofState(err))
		case err != nil:
			t.Kind, t.Name = unreadable, err.Error()
		}
		if err := q.write(out, t, p.now()); err != nil {
			return err
		}
	}
	return nil
}

// logToken says what was done with a token, by whom.
func (p *process) logToken(r *http.Request, what string, t secret.Token) {
	p.log.Info(what, zap.String("by", peerOf(r)), zap.String("kind", t.Kind), zap.String("subject", t.Owner), zap.String("name", t.Name),
		zap.String("family", t.ID), zap.Time("expires", t.Expires))
}

// now is the time of tokens.
func (p *process) now() time.Time {
	if p.opts.Now == nil {
		return time.Now()
	}
	return p.opts.Now()
}
