package browser

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/state"
)

const (
	// grace is how long the last word of a provider counts that cannot be asked.
	grace = 24 * time.Hour
	// patience is how long a pull waits for a provider whose last word still counts.
	patience = 3 * time.Second
	// askAgain is how long a provider is left alone that could not tell.
	askAgain = 30 * time.Second
	// askTime bounds one asking, with what has to be written then.
	askTime = time.Minute
)

var errAsking = errors.New("another gate asks the provider at this moment")

// current returns the login of an account as the provider sees it: after
// asking it if that is due. authn.ErrUnknownUser says that it has ended.
func (p *People) current(ctx context.Context, account string) (login, error) {
	l, err := p.read(ctx, account)
	switch {
	case err != nil:
		return login{}, err
	case p.ended(l):
		return login{}, p.end(ctx, account, l, "it is older than max_age")
	case !p.due(l):
		return l, nil
	}
	counts := p.age(l.Asked) < grace
	wait := ctx
	if counts {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	asked, err := p.asking.Do(wait, account, func(ctx context.Context) (login, error) { return p.ask(ctx, account) })
	if err == nil || errors.Is(err, authn.ErrUnknownUser) {
		return asked, err
	}
	if counts && ctx.Err() == nil {
		return l, nil
	}
	return login{}, fmt.Errorf("%s: %w", p.method.Name, err)
}

// ask asks the provider about an account. It runs to its end even if nobody
// waits any more: a refresh token that was exchanged for the next one, and was
// not written down, would be the end of the login. For the same reason one gate
// asks at a time: with most providers, showing a refresh token for a second
// time looks like a theft.
func (p *People) ask(ctx context.Context, account string) (login, error) {
	if err, lately := p.failed.Get(account); lately {
		return login{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	lease, err := p.store.Acquire(ctx, p.key(account), askTime)
	switch {
	case errors.Is(err, state.ErrHeld):
		return login{}, errAsking
	case err != nil:
		return login{}, err
	}
	defer p.release(ctx, lease)
	l, err := p.read(ctx, account)
	if err != nil || !p.due(l) { // another was faster
		return l, err
	}
	person, err := p.method.Provider.Renew(ctx, account, authn.Secret(l.Refresh))
	return p.answered(ctx, account, l, answer{person, err})
}

// An answer is what a provider says about somebody.
type answer struct {
	person idp.Person
	err    error
}

// refused returns why the answer is a no; "" if it is none.
func (a answer) refused(account string, l login) string {
	var no *idp.Refusal
	switch {
	case errors.As(a.err, &no):
		return no.Msg
	case a.err == nil && a.person.Account != account:
		return "the account has another name now"
	case a.err == nil && a.person.Subject != l.Subject:
		return "the account is somebody else's now"
	}
	return ""
}

// answered does what the answer about l says.
func (p *People) answered(ctx context.Context, account string, l login, a answer) (login, error) {
	if why := a.refused(account, l); why != "" {
		return login{}, p.end(ctx, account, l, why)
	}
	if a.err != nil {
		p.failed.Set(account, a.err)
		p.log.Warn("provider cannot be asked, its last word counts for a day",
			zap.String("subject", account), zap.Time("since", time.Unix(l.Asked, 0)), zap.Error(a.err))
		if fresh := a.person.Refresh.Reveal(); fresh != "" && fresh != l.Refresh {
			// The provider failed only after it had taken the one before.
			next := l
			next.Refresh = fresh
			_, err := p.keep(ctx, account, next, l.Refresh)
			return login{}, errors.Join(a.err, err)
		}
		return login{}, a.err
	}
	next := l
	next.Labels, next.Asked = a.person.Labels, p.now().Unix()
	if a.person.Refresh != "" {
		next.Refresh = a.person.Refresh.Reveal()
	}
	return p.keep(ctx, account, next, l.Refresh)
}

// errOthers is for whoever was asked about: the tokens that were shown are not
// those of the one who has the name now.
var errOthers = fmt.Errorf("%w: somebody else has logged in by that name meanwhile", authn.ErrUnknownUser)

// keep writes a login that the provider has just confirmed, for which the
// refresh token shown was spent. If somebody has logged in meanwhile, that is
// the newer one; where it goes on with the token that was spent, it gets the one
// that came for it. A state that cannot be written is tried again: a new refresh
// token is in no other place.
func (p *People) keep(ctx context.Context, account string, l login, shown string) (login, error) {
	var err error
	for pause := 200 * time.Millisecond; pause < 4*time.Second; pause *= 2 {
		err = p.write(ctx, account, l)
		if err == nil {
			return l, nil
		}
		if errors.Is(err, state.ErrConflict) {
			newer, err := p.read(ctx, account)
			switch {
			case err != nil:
				return login{}, err
			case newer.Subject != l.Subject:
				return login{}, errOthers
			case newer.Refresh != shown || l.Refresh == shown:
				return newer, nil
			}
			newer.Refresh = l.Refresh
			l = newer
			continue
		}
		select {
		case <-ctx.Done():
			return l, nil
		case <-time.After(pause):
		}
	}
	p.log.Error("what a provider has answered could not be kept; whoever it is about may have to log in again",
		zap.String("subject", account), zap.Error(err))
	return l, nil
}

// end ends a login, its tokens first, and returns authn.ErrUnknownUser and why.
// What cannot be written now is tried again at the next use.
func (p *People) end(ctx context.Context, account string, l login, why string) error {
	p.log.Info("login ended", zap.String("subject", account), zap.String("reason", why))
	err := p.revoke(ctx, account, why)
	if err == nil {
		err = p.store.Delete(ctx, p.key(account), l.rev)
	}
	if err != nil && !errors.Is(err, state.ErrConflict) {
		p.log.Error("the end of a login could not be written", zap.String("subject", account), zap.Error(err))
	}
	return fmt.Errorf("%w: %s", authn.ErrUnknownUser, why)
}

func (p *People) release(ctx context.Context, lease state.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		p.log.Debug("lease cannot be released and will run out", zap.Error(err))
	}
}
