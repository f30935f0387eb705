package proxy

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/regate/regate/internal/oci"
)

// turns are the right to do what keeps a processor busy for a client that
// lists repositories: to put names in order, and to ask the rules about
// thousands of them. There are no more than processors, so that those who pull
// and push get theirs, however many ask for the catalog.
type turns chan struct{}

func newTurns() turns { return make(turns, runtime.GOMAXPROCS(0)) }

// mostWaiting is how many clients list at once, or wait for a turn or for the
// first listing of a registry. They do not count as requests for that: those
// who pull would have to wait for them.
const mostWaiting = 128

// patience is how long a client waits for its turn.
const patience = 10 * time.Second

var errBusy = errors.New("those who list repositories are kept busy by the rules")

// do waits for a turn, and does work in it. The error is work's, or that of a
// client which waits in vain.
func (t turns) do(ctx context.Context, work func() error) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case t <- struct{}{}:
		defer func() { <-t }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return oci.Errorf(oci.TooMany, "too many list repositories at once, try again").Because(errBusy).With("Retry-After", "10")
	}
}
