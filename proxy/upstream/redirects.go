package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/upstream/storage"
)

// openStorage makes what follows the redirects of the registry, if any are to
// be followed.
func (p *Pool) openStorage(c Config, o Options) (err error) {
	if c.Redirects.IsZero() && !c.Mirror() {
		return nil
	}
	p.storage, err = storage.New(c.Redirects, storage.Options{Always: c.Mirror(), Connect: c.ConnectTimeout, Header: c.HeaderTimeout, Gate: o.Gate})
	if err != nil {
		return problem.At("redirects", err)
	}
	return nil
}

// Follows reports whether the gate follows the redirects of a client.
func (p *Pool) Follows(client netip.Addr) bool { return p.storage != nil && p.storage.Follows(client) }

// The outcomes of a redirect that the gate follows.
const (
	Arrived     = "ok"          // there is an answer
	NotFollowed = "refused"     // it leads where it must not
	Lost        = "unreachable" // nobody answers there
)

// ErrRedirect is the error of a redirect that leads where it must not.
var ErrRedirect = storage.ErrRefused

// Follow follows a redirect to the storage. See storage.Get.
func (p *Pool) Follow(ctx context.Context, a storage.Ask) (*http.Response, error) {
	res, err := p.storage.Get(ctx, a)
	err = trusts(err, p.key+".redirects.tls.ca")
	outcome := Arrived
	switch {
	case errors.Is(err, ErrRedirect):
		outcome = NotFollowed
	case err != nil:
		outcome = Lost
	}
	if p.told.Followed != nil {
		p.told.Followed(outcome)
	}
	return res, err
}
