package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/state"
)

// A login is what stands in the state about somebody who has logged in. The
// area is sealed: Refresh is as good as a password at the provider.
type login struct {
	Issuer  string       `json:"issuer"`  // the provider
	Subject string       `json:"subject"` // the provider's name of the person
	Refresh string       `json:"refresh,omitempty"`
	Labels  authn.Labels `json:"labels,omitempty"`
	Since   int64        `json:"since"` // when the person was last here, in Unix seconds
	Asked   int64        `json:"asked"` // when the provider last vouched for the person

	rev uint64
}

// sealedArea is where logins are: login/<method>/<account>, both escaped as
// elements of a URL's path.
const sealedArea = "login/"

func (p *People) key(account string) string {
	return sealedArea + url.PathEscape(p.method.Name) + "/" + url.PathEscape(account)
}

// errElsewhere: another provider has the name of the method now. Its people are
// others, and what the one before gave is not shown to it.
var errElsewhere = fmt.Errorf("%w: the login was at another provider", authn.ErrUnknownUser)

// read returns the login of an account, or authn.ErrUnknownUser, and then what
// may be written over.
func (p *People) read(ctx context.Context, account string) (l login, err error) {
	val, err := p.store.Get(ctx, p.key(account))
	switch {
	case errors.Is(err, state.ErrNotFound):
		return l, authn.ErrUnknownUser
	case err != nil:
		return l, err
	}
	if err := json.Unmarshal(val.Data, &l); err != nil {
		return l, fmt.Errorf("%s in state: %w", p.key(account), err)
	}
	l.rev = val.Rev
	if l.Issuer != p.method.Provider.Terms().Issuer {
		return login{rev: val.Rev}, errElsewhere
	}
	return l, nil
}

// write puts l over what was read, or over nothing, and returns
// state.ErrConflict if that has changed.
func (p *People) write(ctx context.Context, account string, l login) error {
	val, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = p.store.Put(ctx, p.key(account), val, state.PutOpts{IfRev: &l.rev, TTL: p.life(l)})
	return err
}

// life is how long a login stays in the state: for ever where the provider can
// say when it ends. Elsewhere it is there for a while after its end, so that it
// is seen that tokens have to end with it.
func (p *People) life(l login) time.Duration {
	if l.Refresh != "" {
		return 0
	}
	return p.method.Provider.Terms().MaxAge + 30*24*time.Hour
}

// ended reports whether l counts no longer, because the provider never said
// how to ask it again.
func (p *People) ended(l login) bool {
	return l.Refresh == "" && p.age(l.Since) >= p.method.Provider.Terms().MaxAge
}

// due reports whether the provider is to be asked again.
func (p *People) due(l login) bool {
	return l.Refresh != "" && p.age(l.Asked) >= p.method.Provider.Terms().RevalidateAfter
}

func (p *People) age(seconds int64) time.Duration { return p.now().Sub(time.Unix(seconds, 0)) }
