package acme

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/regate/regate/internal/state"
)

// managed fills a shelf with certificates that certmagic gets, stores and
// renews, for whatever plan it was last given. It knows nothing of the issuers.
//
// One goroutine carries plans out: it starts what is wanted, ends what is not,
// and does so again every so often, since certmagic gives up a host whose
// certificate it could not read from storage.
type managed struct {
	shelf   *shelf
	storage *storage
	every   intervals
	pace    *pace
	log     *zap.Logger

	plan    atomic.Pointer[plan]
	configs atomic.Pointer[map[string]*certmagic.Config] // by host, of the plan that is carried out
	cache   *certmagic.Cache
	kick    chan struct{} // a new plan is there
	loaded  chan struct{} // closed when the first plan was carried out
	stop    context.CancelFunc
	done    chan struct{}

	// of the goroutine alone
	carried *plan
	orders  map[string]order
	retired map[certmagic.SubjectIssuer]bool // that former plans had, and this one has not
	revived map[string]bool                  // hosts whose lost certificate was ordered again

	placing sync.Mutex                   // while a certificate is put on the shelf
	fresh   map[string]*x509.Certificate // by host: obtained, and perhaps not in certmagic's cache yet; needs placing

	mu       sync.Mutex
	down     bool               // it was said that the state cannot be asked
	misses   map[string][]error // by host: of each issuer that was asked in this attempt
	troubles map[string]Trouble // by host: why the last attempt failed
}

// An order is a host that certmagic was told to manage.
type order struct {
	ctx    context.Context // ends what certmagic is doing for the host
	cancel context.CancelFunc
}

func newManaged(s *shelf, store state.Store, every intervals, log *zap.Logger) *managed {
	return &managed{
		shelf: s, storage: newStorage(store, every.storage, log), every: every, pace: newPace(every.pause, every.again), log: log,
		kick: make(chan struct{}, 1), loaded: make(chan struct{}), carried: newPlan(nil, nil, false),
		orders: map[string]order{}, retired: map[certmagic.SubjectIssuer]bool{}, revived: map[string]bool{},
		misses: map[string][]error{}, troubles: map[string]Trouble{}, fresh: map[string]*x509.Certificate{},
	}
}

// follow makes p the plan. Handshakes see its hosts at once.
func (m *managed) follow(p *plan) {
	m.pace.reset()
	m.plan.Store(p)
	m.shelf.setHosts(p.hosts)
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// retry tries at once what has failed.
func (m *managed) retry() {
	same := *m.plan.Load()
	m.follow(&same)
}

func (m *managed) start(ctx context.Context) {
	ctx, m.stop = context.WithCancel(ctx)
	m.done = make(chan struct{})
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   m.configFor,
		RenewCheckInterval: m.every.renewal,
		OCSPCheckInterval:  24 * time.Hour, // stapling is off; this only looks at what is cached
		Logger:             hush(m.log),
	})
	go m.run(ctx)
}

func (m *managed) close() {
	if m.stop == nil {
		return
	}
	m.stop()
	m.storage.end() // run may be waiting for storage
	<-m.done
}

func (m *managed) run(ctx context.Context) {
	defer close(m.done)
	defer m.storage.releaseAll()
	defer m.cache.Stop()
	defer m.storage.end()
	var sweeper sync.WaitGroup
	defer sweeper.Wait()
	sweeper.Go(func() { m.sweep(ctx) })
	tick := time.NewTicker(m.every.reconcile)
	defer tick.Stop()
	first := sync.OnceFunc(func() { close(m.loaded) })
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.kick: // there is one from before the start
			m.reconcile(ctx, false)
			first()
		case <-tick.C:
			m.reconcile(ctx, true)
		}
	}
}

// reconcile carries the plan out. Hosts that certmagic was told of before are
// told again only with again, and not while certmagic is at it: it would queue
// the same job once more.
func (m *managed) reconcile(ctx context.Context, again bool) {
	p := m.plan.Load()
	if p != m.carried {
		m.change(p)
	}
	// Each time, since a job that was cancelled too late may bring one back.
	m.cache.RemoveManaged(slices.Collect(maps.Keys(m.retired)))
	for _, host := range p.hosts {
		if p.wants[host] == nil {
			continue
		}
		o, ok := m.orders[host]
		if !ok {
			o.ctx, o.cancel = context.WithCancel(ctx)
			m.orders[host] = o
			m.standIn(ctx, host, p.wants[host].issuerKeys())
		} else if !again || m.storage.busy(issueLock(host)) {
			continue
		}
		if err := (*m.configs.Load())[host].ManageAsync(o.ctx, []string{host}); err != nil {
			m.log.Error("certificate cannot be managed", zap.String("host", host), zap.Error(err))
		}
	}
	m.collect(p.hosts)
	m.tellState(ctx)
}

// change ends what the former plan has and p has not: hosts, certificates of
// other issuers, which certmagic would keep until they are due, and orders that
// go another way now. Handshakes keep what there is until there is better.
// What has failed is tried again at once: somebody has mended something.
func (m *managed) change(p *plan) {
	var again []certmagic.SubjectIssuer
	for host := range maps.Clone(m.orders) {
		if m.stays(p, host) {
			continue
		}
		m.orders[host].cancel()
		delete(m.orders, host)
		m.unplace(host)
		if p.wants[host] == nil {
			m.settle(host)
		}
		for _, key := range m.carried.wants[host].issuerKeys() {
			again = append(again, certmagic.SubjectIssuer{Subject: host, IssuerKey: key})
			m.retired[again[len(again)-1]] = true
		}
	}
	maps.DeleteFunc(m.retired, func(r certmagic.SubjectIssuer, _ bool) bool {
		return slices.Contains(p.wants[r.Subject].issuerKeys(), r.IssuerKey)
	})
	configs := map[string]*certmagic.Config{}
	for host, policy := range p.wants {
		configs[host] = m.newConfig(p, policy)
	}
	m.configs.Store(&configs)
	m.cache.RemoveManaged(again)
	m.carried = p
}

// stays reports whether certmagic can go on with what it does for host.
func (m *managed) stays(p *plan, host string) bool {
	if p.wants[host] == nil || !m.carried.sameIssuers(p, host) || m.lastTrouble(host).Failed() {
		return false
	}
	if len(m.cached(host)) > 0 {
		return true
	}
	return m.carried.sameOrder(p, host) && m.storage.trouble() == nil
}

// configFor says how certmagic renews cert.
func (m *managed) configFor(cert certmagic.Certificate) (*certmagic.Config, error) {
	if c := (*m.configs.Load())[cert.Names[0]]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%s is no host any more", cert.Names[0])
}

// newConfig sets what certmagic would else take from its package variables.
func (m *managed) newConfig(p *plan, how *policy) *certmagic.Config {
	return certmagic.New(m.cache, certmagic.Config{
		RenewalWindowRatio: how.ratio,
		OnEvent: func(ctx context.Context, event string, data map[string]any) error {
			return m.onEvent(ctx, p, event, data)
		},
		ShouldEmitFunc:      func(event string) bool { return event != "tls_get_certificate" },
		Issuers:             how.issuers,
		IssuerPolicy:        certmagic.UseFirstIssuer,
		KeySource:           certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		OCSP:                certmagic.OCSPConfig{DisableStapling: true},
		Storage:             m.storage,
		DisableStorageCheck: true, // each order would write 10 KiB; onEvent looks instead
		DisableARI:          !how.online,
		Logger:              hush(m.log),
	})
}

// hush leaves what certmagic has to say to those who look for a fault: what it
// achieves, and what it fails at, is logged here.
func hush(log *zap.Logger) *zap.Logger {
	if log.Core().Enabled(zapcore.DebugLevel) {
		return log
	}
	return zap.NewNop()
}
