package guard

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/network"
	"github.com/regate/regate/internal/state"
)

// sameTry is how long one wrong password is the same try: clients that get a
// 401 for a POST send it again with a GET (protocol.md 1.3).
const sameTry = 10 * time.Second

// giveBack bounds what is done when nobody waits for it any more.
const giveBack = 2 * time.Second

// A Try is a password that somebody shows for an account.
type Try struct {
	From     netip.Addr // of the client; all whose address is not known are one network
	Account  string
	Password string
}

// A Limited is the error of a try that was not checked: there were too many.
type Limited struct {
	By   string        // "account" or "network"
	Wait time.Duration // until it is worth to try again
}

func (l *Limited) Error() string {
	return fmt.Sprintf("too many wrong passwords from this %s, for %v", map[string]string{byAccount: "network for the account", byNetwork: byNetwork}[l.By], l.Wait)
}

const (
	byAccount = "account"
	byNetwork = "network"
)

// A Limiter is the part of a state.Store that counts.
type Limiter interface {
	Allow(ctx context.Context, bucket string, limit state.Limit, cost int) (wait time.Duration, err error)
}

// Deps are what a Guard needs.
type Deps struct {
	Limiter Limiter
	Wrong   func(error) bool // reports whether an error says that the password is wrong, or the account unknown
	Refused func(by string)  // is told of every Limited; nil is nobody
	Now     func() time.Time // nil is time.Now
	Log     *zap.Logger      // nil is silence
}

// A Guard lets tries through as long as there are not too many wrong ones. Its
// methods may be called by several goroutines at once.
type Guard struct {
	cfg    Config
	exempt []netip.Prefix
	deps   Deps
	key    [sha256.Size]byte
	wrong  *cache.Cache[sum, error] // of the last ten seconds
	own    state.Buckets            // while the Limiter cannot be asked
	alone  atomic.Bool              // it cannot
}

type sum [sha256.Size]byte

// New returns a Guard. The error is one of cfg.
func New(cfg Config, d Deps) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Refused == nil {
		d.Refused = func(string) {}
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	g := &Guard{cfg: cfg.withDefaults(), deps: d, wrong: cache.New[sum, error](cache.Options{TTL: sameTry, Now: d.Now})}
	_, _ = rand.Read(g.key[:]) // never fails
	for _, text := range cfg.Exempt {
		n, _ := network.Parse(text) // valid, see above
		g.exempt = append(g.exempt, n)
	}
	return g, nil
}

// Try returns what check says about t, or a *Limited. The same wrong password
// is not checked twice within ten seconds: it is still as wrong.
func (g *Guard) Try(ctx context.Context, t Try, check func(context.Context) error) error {
	if g.isExempt(t.From) {
		return check(ctx)
	}
	id := g.sum(t)
	if err, again := g.wrong.Get(id); again {
		return err
	}
	all := g.buckets(t)
	if err := g.take(ctx, all); err != nil {
		g.deps.Refused(err.By)
		return err
	}
	if err := ctx.Err(); err != nil { // then perhaps nothing was taken
		return err
	}
	err := check(ctx)
	if err != nil && g.deps.Wrong(err) {
		g.wrong.Set(id, err)
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
	defer cancel()
	for _, b := range all {
		g.allow(ctx, b, -1)
	}
	return err
}

func (g *Guard) isExempt(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, network := range g.exempt {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// sum is what a try is remembered by. Nobody who reads the memory of the gate
// learns a password from it that he could not guess.
func (g *Guard) sum(t Try) (s sum) {
	h := hmac.New(sha256.New, g.key[:])
	_, _ = fmt.Fprintf(h, "%s %d %s %s", network.Small(t.From), len(t.Account), t.Account, t.Password) // hashes take all
	h.Sum(s[:0])
	return s
}

// A bucket is one of those that a try takes from.
type bucket struct {
	by, name string
	limit    state.Limit
}

// buckets are those of a try, the smaller one first.
func (g *Guard) buckets(t Try) [2]bucket {
	small, large := element(network.Small(t.From)), element(network.Large(t.From))
	account := sha256.Sum256([]byte(spelling(t.Account)))
	return [2]bucket{
		{byAccount, "limit/login/" + small + "/" + hex.EncodeToString(account[:16]), g.cfg.Account.limit()},
		{byNetwork, "limit/login/" + large, g.cfg.Network.limit()},
	}
}

// element is a network as an element of a bucket's name; all addresses that are
// not known are one network.
func element(n netip.Prefix) string {
	if !n.IsValid() {
		return "unknown"
	}
	return strings.ReplaceAll(n.String(), "/", "-")
}

// take takes one from each bucket, or none and says when to come again.
func (g *Guard) take(ctx context.Context, all [2]bucket) *Limited {
	for i, b := range all {
		wait := g.allow(ctx, b, 1)
		if wait == 0 {
			continue
		}
		for _, taken := range all[:i] {
			g.allow(ctx, taken, -1)
		}
		return &Limited{b.by, wait}
	}
	return nil
}

// allow asks the Limiter. While that is not there, the gate counts by itself:
// half as many, since there may be other gates that do the same.
func (g *Guard) allow(ctx context.Context, b bucket, cost int) time.Duration {
	wait, err := g.deps.Limiter.Allow(ctx, b.name, b.limit, cost)
	if ctx.Err() != nil {
		return wait
	}
	if alone := err != nil; g.alone.Swap(alone) != alone {
		g.report(err)
	}
	if err == nil {
		return wait
	}
	half := state.Limit{Every: 2 * b.limit.Every, Burst: max(1, b.limit.Burst/2)}
	return g.own.Take(b.name, half, cost, g.deps.Now())
}

func (g *Guard) report(err error) {
	if err != nil {
		g.deps.Log.Warn("wrong passwords cannot be counted in the state, and are counted here", zap.Error(err))
		return
	}
	g.deps.Log.Info("wrong passwords are counted in the state again")
}
