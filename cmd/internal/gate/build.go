package gate

import (
	"context"
	"io"
	"net/http"
	"reflect"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/authsvc"
	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/workload"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/authsvc/sqldb"
	"github.com/regate/regate/authsvc/token"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/metrics"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy"
	"github.com/regate/regate/proxy/upstream"
)

// A generation is all that one configuration brings to life.
type generation struct {
	file  *configs.File
	hosts *edge.Hosts
	pools map[string]*upstream.Pool
	proxy *proxy.Gateway
	known *password.Cache[authn.Identity]
	users authn.Chain
	rules acl.Chain

	vouchers  *authsvc.Vouchers // for the owners of tokens
	workloads *workload.Users

	databases sqldb.Databases
	followed  map[string]*acl.Follower // rules that are read again and again, by their keys

	checked                          http.Handler // ServeHTTP behind the check of the Host
	gateway, tokens, keys, authority http.Handler
	nowhere                          http.Handler
	pages                            http.Handler // nil if nobody can log in with a browser

	certs  *acme.Manager // of the process
	commit func()        // makes the certificates follow; cannot fail
	stop   context.CancelFunc
}

// build makes the generation of file. Nothing has changed when it fails.
func (p *process) build(ctx context.Context, file *configs.File) (_ *generation, err error) {
	g := &generation{file: file, certs: p.certs, stop: func() {}}
	built := false
	defer func() {
		if !built {
			_ = g.databases.Close() // which nobody has asked
		}
	}()
	if g.commit, err = p.certs.Prepare(ctx, file.TLS); err != nil {
		return nil, file.Explain("tls", err)
	}
	hosts := edge.HostsConfig{Names: file.TLS.Hosts, HTTPSPort: p.httpsPort, PublicURL: file.Listen.PublicURL}
	if g.hosts, err = edge.NewHosts(hosts); err != nil {
		return nil, err
	}
	parts := token.Parts{Keys: p.ring, Revoked: p.revoked, Now: p.opts.Now, Namespaces: namespaces(file)}
	issuer := token.NewIssuer(file.Auth.Token, parts)
	g.known = p.knownLogins(file)
	service, err := p.service(g, issuer)
	if err != nil {
		return nil, err
	}
	if g.pools, err = p.openPools(g, issuer); err != nil {
		return nil, err
	}
	table, err := proxy.NewTable(file.Routes, g.pools)
	if err != nil {
		return nil, err
	}
	door := authsvc.NewDoor(token.NewVerifier(file.Auth.Token, parts), service)
	g.proxy = p.openGateway(g, table, door, issuer.Service())
	pages := edge.CORS(file.Listen.CORS.Origins)
	g.gateway = pages(edge.Handler(g.proxy.Serve))
	g.tokens = edge.Stack(edge.Handler(service.ServeToken), pages, edge.Impatient, edge.LimitBodies(edge.DefaultBodyLimits()))
	g.keys = edge.Handler(service.ServeKeys)
	g.authority, g.nowhere = edge.Handler(g.serveCA), edge.Handler(g.serveNowhere)
	g.checked = g.hosts.Check(g)
	g.run(p)
	built = true
	return g, nil
}

// openGateway makes the half that lets requests through.
func (p *process) openGateway(g *generation, table *proxy.Table, door *authsvc.Door, service string) *proxy.Gateway {
	gateway := proxy.New(table, door, proxy.Options{
		Service:  service,
		Requests: p.forwarded,
		Uploads:  p.uploads(g.file),
		Now:      p.opts.Now,
		Catalog:  proxy.Catalog{Config: g.file.Catalog, Lister: door, Key: p.hidden, Log: p.log.Named("catalog")},
	})
	if live := p.board.live.Load(); live != nil {
		gateway.Inherit(live.proxy, func(registry string) bool {
			return reflect.DeepEqual(live.file.Registries[registry], g.file.Registries[registry])
		})
	}
	return gateway
}

// uploads say how the requests of an upload are kept together.
func (p *process) uploads(file *configs.File) proxy.Uploads {
	c := file.Auth.Token.WithDefaults()
	return proxy.Uploads{Key: p.tickets, Grace: *c.Grace, ManifestGrace: *c.GraceManifest}
}

// service makes the half that logs people in.
func (p *process) service(g *generation, issuer *token.Issuer) (*authsvc.Service, error) {
	rules, err := p.decide(g)
	if err != nil {
		return nil, err
	}
	login, guests, err := p.login(g)
	if err != nil {
		return nil, err
	}
	certs, err := certified(g.file)
	if err != nil {
		return nil, err
	}
	labels := token.NewLabels(p.store)
	refreshes := authsvc.NewRefreshes(authsvc.RefreshParts{Config: g.file.Auth.Token, Book: p.desk.book, Vouchers: g.vouchers, Labels: labels, Log: p.log})
	return authsvc.New(authsvc.Parts{
		Users: login, Certificates: certs, Rules: rules, Tokens: issuer, Labels: labels, Refreshes: refreshes, Revoked: p.revoked,
		Observe: p.meter.Token, Log: p.log,
		Namespaces: namespaces(g.file), Guests: guests, Pages: g.pages != nil,
	}), nil
}

// namespaces are the registries in whose place the gate can be asked.
func namespaces(file *configs.File) []oci.Namespace {
	return proxy.Namespaces(file.Routes, file.Registries)
}

// openPools makes a pool of each registry.
func (p *process) openPools(g *generation, issuer *token.Issuer) (map[string]*upstream.Pool, error) {
	file := g.file
	pools := make(map[string]*upstream.Pool, len(file.Registries))
	for name, cfg := range file.Registries {
		pool, err := upstream.New(cfg, upstream.Options{
			Name:     name,
			Minter:   upstream.MinterFunc(minter(issuer)),
			Issuer:   issuer.Name(),
			Service:  issuer.Service(),
			Gate:     g.hosts.Serves,
			Requests: func(most int) *connlimit.Limiter { return p.requests("registry", most) },
			Now:      p.opts.Now,
			Observe: upstream.Observer{
				Retried: func(reason string) { p.meter.UpstreamRetry(name, reason) },
				Resumed: func() { p.meter.UpstreamResume(name) },

				Refused:  func(reason string) { p.meter.MirrorRefused(name, reason) },
				Followed: func(outcome string) { p.meter.RedirectFollowed(name, outcome) },
			},
			Log: p.log.Named("upstream").Named(name),
		})
		if err != nil {
			return nil, file.Explain(problem.Key("registries", name), err)
		}
		if live := p.board.live.Load(); live != nil {
			pool.Inherit(live.pools[name])
		}
		pools[name] = pool
	}
	return pools, nil
}

// minter signs for registries what clients were granted.
func minter(issuer *token.Issuer) func(iss, service, subject string, access []oci.Access) (string, error) {
	return func(iss, service, subject string, access []oci.Access) (string, error) {
		signed, err := issuer.Issue(token.Claims{Issuer: iss, Audience: service, Subject: subject, Scope: oci.NewScope(access...), Life: upstream.MintedLife})
		return signed.Text, err
	}
}

// run starts the probes of the pools, and the reading of rules. Both end with
// the generation, and with the process.
func (g *generation) run(p *process) {
	ctx, stop := context.WithCancel(p.work)
	g.stop = stop
	for _, pool := range g.pools {
		p.start(func() { pool.Run(ctx) })
	}
	for _, rules := range g.followed {
		p.start(func() { rules.Run(ctx) })
	}
}

// close ends probes and idle connections. Requests hold what they need.
func (g *generation) close() {
	g.stop()
	g.proxy.Close()
	for _, pool := range g.pools {
		pool.Close()
	}
	for _, users := range g.users {
		hangUp(users)
	}
	for _, rules := range g.rules {
		hangUp(rules)
	}
	hangUp(&g.databases)
	hangUp(g.workloads)
}

// hangUp ends the connections of those that have some.
func hangUp(asked any) {
	if c, ok := asked.(io.Closer); ok {
		_ = c.Close() // they are idle
	}
}

// upstreams are the states of all endpoints, for the metrics.
func (g *generation) upstreams() (all []metrics.Upstream) {
	for name, pool := range g.pools {
		for _, s := range pool.States() {
			all = append(all, metrics.Upstream{Registry: name, Endpoint: s.Upstream, Up: s.Up, Busy: s.Busy})
		}
	}
	return all
}

// left are the requests that mirrors have left, for the metrics.
func (g *generation) left() (all []metrics.Left) {
	for name, pool := range g.pools {
		for _, l := range pool.Left() {
			all = append(all, metrics.Left{Registry: name, Endpoint: l.Upstream, Requests: l.Requests})
		}
	}
	return all
}
