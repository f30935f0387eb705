package acme

import (
	"context"
	"crypto/tls"
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
		kick: make(chan struct{}, 1), orders: map[string]order{}, reasons: map[string]string{},
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
	m.storage.end()
	<-m.done
}

func (m *managed) run(ctx context.Context) {
	defer close(m.done)
	defer m.storage.releaseAll()
	defer m.cache.Stop()
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

// change ends what the former plan has and p has not: hosts, or all of it if
// the issuers are others, since certmagic would keep their certificates until
// they are due. Handshakes keep them until there are new ones.
func (m *managed) change(p *plan) {
	all := m.carried != nil && !slices.Equal(m.carried.issuerKeys(), p.issuerKeys())
	for host := range maps.Clone(m.orders) {
		if all || !slices.Contains(p.hosts, host) {
			m.orders[host].cancel()
			delete(m.orders, host)
			m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
		}
	}
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

// onEvent hears from certmagic. Its error would stop certmagic.
func (m *managed) onEvent(ctx context.Context, p *plan, event string, data map[string]any) error {
	if !slices.Equal(p.issuerKeys(), m.plan.Load().issuerKeys()) {
		return nil // the last words of a job that was cancelled
	}
	switch event {
	case "cert_obtained":
		m.obtained(ctx, data)
	case "cert_failed":
		m.setReason(data["identifier"].(string), fmt.Sprint(data["error"]))
	case "cached_managed_cert":
		m.cached(data["sans"].([]string))
	}
	return nil
}

// obtained puts a certificate on the shelf that certmagic has just stored. For
// a renewed one there is no event once it is in certmagic's cache.
func (m *managed) obtained(ctx context.Context, data map[string]any) {
	host := data["identifier"].(string)
	m.setReason(host, "")
	cert, err := m.load(ctx, data["certificate_path"].(string), data["private_key_path"].(string))
	if err != nil {
		m.log.Warn("new certificate cannot be read back yet", zap.String("host", host), zap.Error(err))
		return
	}
	m.shelf.put(host, cert)
	m.log.Info("certificate obtained", zap.String("host", host), zap.Any("renewal", data["renewal"]),
		zap.Any("issuer", data["issuer"]), zap.Time("not_after", cert.Leaf.NotAfter))
}

func (m *managed) load(ctx context.Context, certPath, keyPath string) (*tls.Certificate, error) {
	certPEM, err := m.storage.Load(ctx, certPath)
	if err != nil {
		return nil, err
	}
	keyPEM, err := m.storage.Load(ctx, keyPath)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	return &cert, err
}

// cached puts a certificate on the shelf that certmagic has loaded; or tells
// it to forget the one for a host that went while it was loaded.
func (m *managed) cached(names []string) {
	for _, n := range names {
		if !slices.Contains(m.plan.Load().hosts, n) {
			m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: n}})
		}
	}
	m.collect(names)
}

// collect puts on the shelf what certmagic has in its cache for hosts, such as
// what another replica renewed.
func (m *managed) collect(hosts []string) {
	for _, host := range hosts {
		var best *tls.Certificate
		for _, c := range m.cache.AllMatchingCertificates(host) {
			if slices.Contains(c.Names, host) && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
				best = &c.Certificate
			}
		}
		if best != nil {
			m.shelf.put(host, best)
		}
	}
}

func (m *managed) setReason(host, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reasons[host] = reason
}

// reason is why host has no certificate, or no newer one; "" if nothing failed.
func (m *managed) reason(host string) string {
	m.mu.Lock()
	reason := m.reasons[host]
	m.mu.Unlock()
	if err := m.storage.trouble(); reason == "" && err != nil {
		return "state cannot be asked: " + err.Error()
	}
	return reason
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
