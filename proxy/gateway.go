package proxy

import (
	"net/http"
	"time"

	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// A Gateway serves everything below /v2/.
type Gateway struct {
	routes  *Table
	auth    Authorizer
	service string
	limits  Limits
	uploads Uploads
	all     *connlimit.Limiter
	lister  Lister
	catalog *catalog
	now     func() time.Time

	manifests manifests // that are kept until they have arrived
}

// Options are what a Gateway needs besides its routes and its Authorizer.
type Options struct {
	Service string // of the tokens that clients shall ask for
	Limits  Limits
	Uploads Uploads
	Catalog Catalog

	// Requests bounds those that are forwarded, to all registries. Nil is no
	// bound. Each registry has one of its own besides.
	Requests *connlimit.Limiter

	// Now is the clock that grants and tickets go by; default time.Now.
	Now func() time.Time
}

// Limits bound what a transfer may take. A zero field means its default.
type Limits struct {
	// Idle ends a transfer in which no byte has passed for so long, in either
	// direction, on either side. Default 60s.
	Idle time.Duration
	// Linger bounds how long the rest of a body is read that the registry did
	// not want, so that the client gets to read the answer. Default 5s.
	Linger time.Duration
	// MinRate is how many bytes a second must pass on average, over each Span,
	// in a transfer of somebody who has shown no credentials. Default 1024.
	MinRate int64
	// Span is what MinRate is looked at over. Default 5m.
	Span time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Idle <= 0 {
		l.Idle = 60 * time.Second
	}
	if l.Linger <= 0 {
		l.Linger = 5 * time.Second
	}
	if l.MinRate <= 0 {
		l.MinRate = 1 << 10
	}
	if l.Span <= 0 {
		l.Span = 5 * time.Minute
	}
	return l
}

// bound sets the rate of a transfer that w watches.
func (l Limits) bound(w *watch, g oci.Grant) {
	if g.Anonymous() {
		w.atLeast(l.MinRate*int64(l.Span/time.Millisecond)/1000, l.Span)
	}
}

// New returns a Gateway that sends each request where routes say, if auth
// lets it.
func New(routes *Table, auth Authorizer, o Options) *Gateway {
	if o.Requests == nil {
		o.Requests = connlimit.New(connlimit.Limits{}, connlimit.Deps{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gateway{
		routes: routes, auth: auth, service: o.Service,
		limits: o.Limits.withDefaults(), uploads: o.Uploads.withDefaults(), all: o.Requests, now: o.Now,
		lister: o.Catalog.Lister, catalog: newCatalog(routes, o.Catalog),
	}
}

// Inherit takes over what old, the Gateway of the generation before, knows of
// the registries in same, which are those whose configuration has not changed.
func (g *Gateway) Inherit(old *Gateway, same func(registry string) bool) {
	g.catalog.inherit(old.catalog, same)
}

// Close ends what the Gateway does on its own behalf. Requests run out.
func (g *Gateway) Close() { g.catalog.close() }

// Serve answers one request. It is for edge.Handler, which renders its error.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request) error {
	rec := edge.RecordFrom(r.Context())
	setAlways(w.Header())

	req, err := parse(r)
	if err != nil {
		return err
	}
	route, err := g.routes.Find(r.Host, req)
	rec.Op, rec.Repo = req.Op.String(), route.public(req.Repo)
	if err != nil {
		return err
	}
	rec.Route = route.Registry
	setNamespace(w.Header(), req)

	grant, req, err := g.authorize(r, route, req)
	if err != nil {
		return err
	}
	rec.Subject, rec.TokenID = grant.Subject, grant.ID

	x := exchange{req: req, name: rec.Repo, route: route, grant: grant}
	if x.sent, err = g.routes.renamed(route, req); err != nil {
		return err
	}
	if x.ticket, x.sent, err = g.session(r, x); err != nil {
		return err
	}
	if x.own() {
		return g.reply(w, r, x)
	}
	leave, err := g.admit(r, route.Route)
	if err != nil {
		return err
	}
	defer leave()
	if x.ep, x.done, err = pick(r, x); err != nil {
		return err
	}
	return g.forward(w, r, x)
}
