package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/cache"
)

// patience is how long a comparison waits for its turn. Clients give up after
// 15 s: before that they are told that they may try again, and there is less
// of a flood in front of the others.
const patience = 5 * time.Second

// Options bound a Pool.
type Options struct {
	Workers int // comparisons at the same time; default half of GOMAXPROCS, at least 1
	Queue   int // comparisons that wait, half of them for one network (see From); default 256. Any more get authn.ErrBusy.

	// Apart has passwords compared in processes of their own, one for each
	// worker, for the system to put behind the others. It is for programs that
	// begin with IsHelper; where no process can be started, it is given up.
	Apart bool
	Log   *zap.Logger // of Apart; nil is silent
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

// A Pool compares passwords, a few at a time: bcrypt is slow on purpose, and
// whoever sends wrong passwords must not slow down those who pull.
type Pool struct {
	key     key
	slots   chan struct{} // one for each worker
	queue   *queue
	flights cache.Flights[sum, struct{}]
	absent  atomic.Uint64 // comparisons for nobody
	nobody  string        // salt and digest of nobody's password
	crew    *crew         // nil unless Apart
}

// NewPool returns a Pool. One with Apart needs Close in the end.
func NewPool(o Options) *Pool {
	o = o.withDefaults()
	p := &Pool{
		key:    newKey(),
		slots:  make(chan struct{}, o.Workers),
		queue:  newQueue(o.Queue),
		nobody: (rand.Text() + rand.Text() + rand.Text())[:53],
	}
	if o.Apart {
		p.crew = newCrew(o.Log)
	}
	return p
}

// Close ends the processes that compare. What they are at comes to nothing,
// and nobody should ask any more.
func (p *Pool) Close() {
	if p.crew != nil {
		p.crew.close()
	}
}

// Compare returns nil if password is the one that hash was made of,
// authn.ErrWrongPassword if it is not, and authn.ErrBusy if too many others
// wait already, or it was not its turn within five seconds. Any other error
// means that it could not tell. Equal questions at the same time share one
// comparison.
func (p *Pool) Compare(ctx context.Context, hash, password string) error {
	saw(ctx)
	_, err := p.flights.Do(ctx, p.key.sum(hash, password), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, p.compare(ctx, hash, password)
	})
	return err
}

// Absent takes as long as Compare does with a wrong password and a hash of
// this cost, so that nobody can tell from the time whether an account exists.
// It returns nil in the end, or the error that kept it from trying. Cost 0
// says that no hash is in use: there is nothing to imitate.
func (p *Pool) Absent(ctx context.Context, cost int, password string) error {
	if cost == 0 {
		return nil
	}
	saw(ctx)
	// Nobody shares it: the hash is the same for all accounts that do not exist,
	// and those asked about at once would all be answered at once.
	alone := p.key.sum(strconv.FormatUint(p.absent.Add(1), 10), password)
	_, err := p.flights.Do(ctx, alone, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, p.compare(ctx, p.dummy(cost), password)
	})
	if errors.Is(err, authn.ErrWrongPassword) {
		return nil
	}
	return err
}

// dummy is a hash that no password has. It costs nothing to make.
func (p *Pool) dummy(cost int) string { return fmt.Sprintf("$2a$%02d$%s", cost, p.nobody) }

func (p *Pool) compare(ctx context.Context, hash, password string) error {
	if !Valid(hash) {
		return errors.New("not a bcrypt hash") // whose text stays out of the log
	}
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer func() { <-p.slots }()
	q := newQuestion(hash, password)
	if p.crew != nil {
		return p.crew.compare(q)
	}
	return q.answer().verdict()
}

// enter waits for a slot, as long as patience lasts.
func (p *Pool) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	leave, ok := p.queue.join(ctx)
	if !ok {
		return authn.ErrBusy
	}
	defer leave()
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-over.C:
		return authn.ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}
