package browser

import (
	"context"
	"errors"

	"github.com/regate/regate/authsvc/idp"
)

// mostAtOnce is how many logins one provider is asked about at the same time.
// Anybody can have a code asked about, one that he has made up too, and each
// holds a connection for as long as the provider takes. What is asked for the
// tokens of people does not wait for this.
const mostAtOnce = 64

var errBusy = errors.New("too many logins end at once")

// exchange asks the provider who has logged in.
func (p *People) exchange(ctx context.Context, r idp.Return) (idp.Person, error) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case p.ending <- struct{}{}:
		defer func() { <-p.ending }()
		return p.method.Provider.Exchange(ctx, r)
	case <-wait.Done():
		return idp.Person{}, errBusy
	}
}
