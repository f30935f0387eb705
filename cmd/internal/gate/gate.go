// Package gate joins the parts: it opens what lives as long as the process
// (state, keys, certificates, listeners, log), builds from the configuration
// what lives as long as a generation (routes, pools, users, rules), swaps
// generations when the configuration changes, and drains when it is told to
// end. In goes the path of a configuration, out comes a running gate. It makes
// no decision about a request: the packages that it joins do.
package gate

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/metrics"
	"github.com/regate/regate/internal/state"
)

// Options are what is decided outside of the configuration.
type Options struct {
	Path    string           // of the configuration
	Version string           // of this program
	Log     *os.File         // where the log goes
	Reload  <-chan os.Signal // each is a wish to read the configuration again; nil is none
	Ready   func(Facts)      // called once when the gate listens; nil is nobody

	// Sockets were opened for the gate, by the names of its listeners. It opens
	// those that are not there.
	Sockets map[string]net.Listener

	// Now is the clock of tokens, of logins and of what is remembered of them;
	// nil is time.Now. TLS, the state and what others have signed go by the
	// clock of the system, which is theirs too.
	Now func() time.Time
}

// Serve runs a gate until ctx is done, and then drains it. What is wrong with
// the configuration is a *configs.Error with a line for each mistake. The
// program has begun with password.IsHelper.
func Serve(ctx context.Context, o Options) error {
	defer runtime.KeepAlive(pace())
	file, err := configs.Load(o.Path)
	if err != nil {
		return err
	}
	p, err := open(ctx, o, file)
	if err != nil {
		return err
	}
	defer p.close()
	return p.serve(ctx)
}

// serve listens, brings the first generation to life, and runs.
func (p *process) serve(ctx context.Context) error {
	doors, err := p.listen(p.first.Listen)
	if err != nil {
		return err
	}
	defer closeLimiters(doors)
	if err := p.swap(ctx, p.first); err != nil {
		closeAll(doors)
		return err
	}
	p.meter.Reload(time.Now(), nil)
	p.announce(doors)
	return p.run(ctx, doors)
}

// A process is all that lives as long as the program.
type process struct {
	opts      Options
	log       *zap.Logger
	level     zap.AtomicLevel
	first     *configs.File // what the process was opened with
	store     state.Store
	ring      *keyring.Ring
	revoked   *token.Revocations
	tickets   [keyring.SecretSize]byte // the key of what stands in the URLs of uploads
	hidden    [keyring.SecretSize]byte // the key of what must not be read in those of listings
	certs     *acme.Manager
	desk      desk           // where people log in with a browser
	passwords *password.Pool // one for all generations, so that all together leave a core free
	meter     *metrics.Metrics
	watch     *configs.Watcher
	forwarded *connlimit.Limiter // requests
	httpsPort int                // as it really is, should the configuration leave it to the system
	draining  edge.Draining
	peers     peers
	board     switchboard

	work    context.Context // of all workers, those of the generations too
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// open makes what the first generation needs.
func open(ctx context.Context, o Options, file *configs.File) (_ *process, err error) {
	p := &process{opts: o, first: file}
	p.work, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.log, p.level = newLog(file.Log.Format, o.Log)
	setLevel(p.level, file.Log.Level)
	restore := zap.RedirectStdLog(p.log.Named("std")) // http.Transport writes there
	context.AfterFunc(p.work, restore)
	p.passwords = password.NewPool(password.Options{Apart: true, Log: p.log.Named("password")})
	p.watch = configs.NewWatcher(p.log.Named("watch"))
	p.meter = metrics.New(metrics.Build{Version: o.Version, Revision: revision()})
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.store, err = openState(ctx, file, p.log); err != nil {
		return nil, err
	}
	if p.ring, err = openRing(ctx, file, keyring.Options{Store: p.store, Now: o.Now}, p.log); err != nil {
		return nil, err
	}
	if p.revoked, err = token.OpenRevocations(ctx, p.store, o.Now, p.log); err != nil {
		return nil, err
	}
	if p.tickets, err = keyring.Secret(ctx, p.store, "uploads"); err != nil {
		return nil, err
	}
	if p.hidden, err = keyring.Secret(ctx, p.store, "catalog"); err != nil {
		return nil, err
	}
	if p.desk, err = openDesk(ctx, p.store, o.Now, p.log); err != nil {
		return nil, err
	}
	if p.certs, err = openCerts(ctx, file, p.store, p.log); err != nil {
		return nil, err
	}
	return p, nil
}

// run serves until ctx is done, and then ends in order: first no new requests,
// then the running ones, then what they needed.
func (p *process) run(ctx context.Context, doors []door) error {
	defer p.workers.Wait()
	defer p.stop()
	p.certs.Start(p.work)
	if shared, ok := p.store.(*state.Copy); ok {
		p.start(func() { shared.Run(p.work) })
		id := rand.Text()
		p.start(func() { p.followPeers(p.work, id) })
		p.start(func() { p.followKey(p.work) })
	}
	p.start(func() { p.ring.Run(p.work) })
	p.start(func() { p.revoked.Run(p.work) })
	p.start(func() { p.desk.book.Run(p.work) })
	p.start(func() { p.desk.ending.Run(p.work) })
	p.start(func() { p.followSignals(p.work) })
	p.start(func() { p.watch.Run(p.work, func() { _ = p.reload(p.work) }) })

	p.awaitCertificates(ctx)
	failed := make(chan error, len(doors))
	for _, d := range doors {
		p.start(func() { failed <- d.serve() })
	}
	p.tell(ctx, doors)
	select {
	case <-ctx.Done():
		p.drain(doors)
		return nil
	case err := <-failed:
		closeAll(doors)
		return err
	}
}

// loading is how long nobody is served while the state is asked for certificates.
const loading = 3 * time.Second

// awaitCertificates lets who connects at once wait until those are found that
// are there already, instead of turning them away: on a socket that was opened
// for the gate there may be many, and a balancer takes no excuses. Where the
// state is slow, who has none waits no longer.
func (p *process) awaitCertificates(ctx context.Context) {
	late := time.NewTimer(loading)
	defer late.Stop()
	select {
	case <-p.certs.Loaded():
	case <-late.C:
		p.log.Warn("not all certificates are found yet, and clients are served all the same")
	case <-ctx.Done():
	}
}

// start runs a worker that run waits for.
func (p *process) start(work func()) {
	p.workers.Add(1)
	go func() {
		defer p.workers.Done()
		work()
	}()
}

func (p *process) close() {
	p.stop()
	p.board.close()
	p.passwords.Close()
	if p.certs != nil {
		p.certs.Close()
	}
	if p.store != nil {
		if err := p.store.Close(); err != nil {
			p.log.Error("state was not closed cleanly", zap.Error(err))
		}
	}
	_ = p.log.Sync() // a terminal cannot be synced, and says so
}

// revision is that of the source, as the Go tool recorded it.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}
