package acme

import (
	"context"
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

// A plan is for which hosts certificates are wanted and who issues them. It
// never changes.
type plan struct {
	hosts   []string // canonical
	issuers []certmagic.Issuer
}

func (p *plan) issuerKeys() []string {
	var keys []string
	for _, i := range p.issuers {
		keys = append(keys, i.IssuerKey())
	}
	return keys
}

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
	log     *zap.Logger

	plan   atomic.Pointer[plan]
	config atomic.Pointer[certmagic.Config] // of the plan that is carried out
	cache  *certmagic.Cache
	kick   chan struct{} // a new plan is there
	stop   context.CancelFunc
	done   chan struct{}

	// of the goroutine alone
	carried *plan
	orders  map[string]order
	retired map[certmagic.SubjectIssuer]bool // that former plans had, and this one has not

	mu      sync.Mutex
	reasons map[string]string // by host: why the last attempt failed
}

// An order is a host that certmagic was told to manage.
type order struct {
	ctx    context.Context // ends what certmagic is doing for the host
	cancel context.CancelFunc
}

func newManaged(s *shelf, store state.Store, every intervals, log *zap.Logger) *managed {
	return &managed{
		shelf: s, storage: newStorage(store, every.storage, log), every: every, log: log,
		kick: make(chan struct{}, 1), orders: map[string]order{}, retired: map[certmagic.SubjectIssuer]bool{},
		reasons: map[string]string{},
	}
}

// follow makes p the plan. Handshakes see its hosts at once.
func (m *managed) follow(p *plan) {
	m.plan.Store(p)
	m.shelf.setHosts(p.hosts)
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

func (m *managed) start(ctx context.Context) {
	ctx, m.stop = context.WithCancel(ctx)
	m.done = make(chan struct{})
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.config.Load(), nil },
		RenewCheckInterval: m.every.renewal,
		OCSPCheckInterval:  24 * time.Hour, // stapling is off; this only looks at what is cached
		Logger:             quiet(m.log),
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
	tick := time.NewTicker(m.every.reconcile)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.kick: // there is one from before the start
			m.reconcile(ctx, false)
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
		o, ok := m.orders[host]
		if !ok {
			o.ctx, o.cancel = context.WithCancel(ctx)
			m.orders[host] = o
		} else if !again || m.storage.busy(issueLock(host)) {
			continue
		}
		if err := m.config.Load().ManageAsync(o.ctx, []string{host}); err != nil {
			m.log.Error("certificate cannot be managed", zap.String("host", host), zap.Error(err))
		}
	}
	m.collect(p.hosts)
}

// change ends what the former plan has and p has not: hosts, and certificates
// of other issuers, which certmagic would keep until they are due. Handshakes
// keep those until there are new ones.
func (m *managed) change(p *plan) {
	for host := range maps.Clone(m.orders) {
		if slices.Contains(p.hosts, host) && slices.Equal(m.carried.issuerKeys(), p.issuerKeys()) {
			continue
		}
		m.orders[host].cancel()
		delete(m.orders, host)
		for _, key := range m.carried.issuerKeys() {
			m.retired[certmagic.SubjectIssuer{Subject: host, IssuerKey: key}] = true
		}
	}
	maps.DeleteFunc(m.retired, func(r certmagic.SubjectIssuer, _ bool) bool {
		return slices.Contains(p.hosts, r.Subject) && slices.Contains(p.issuerKeys(), r.IssuerKey)
	})
	m.config.Store(m.newConfig(p))
	m.carried = p
}

// newConfig sets what certmagic would else take from its package variables.
func (m *managed) newConfig(p *plan) *certmagic.Config {
	return certmagic.New(m.cache, certmagic.Config{
		RenewalWindowRatio: 1.0 / 3,
		OnEvent: func(ctx context.Context, event string, data map[string]any) error {
			return m.onEvent(ctx, p, event, data)
		},
		ShouldEmitFunc:      func(event string) bool { return event != "tls_get_certificate" },
		Issuers:             p.issuers,
		IssuerPolicy:        certmagic.UseFirstIssuer,
		KeySource:           certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		OCSP:                certmagic.OCSPConfig{DisableStapling: true},
		Storage:             m.storage,
		DisableStorageCheck: true, // each order would write 10 KiB; the state has a health check of its own
		DisableARI:          true, // our CA has none
		Logger:              quiet(m.log),
	})
}

// quiet leaves certmagic's warnings: what it achieves is logged here.
func quiet(log *zap.Logger) *zap.Logger {
	if !log.Core().Enabled(zapcore.InfoLevel) || log.Core().Enabled(zapcore.DebugLevel) {
		return log
	}
	return log.WithOptions(zap.IncreaseLevel(zapcore.WarnLevel))
}

// refresh has nothing to do: certmagic looks by itself.
func (m *managed) refresh() error { return nil }
