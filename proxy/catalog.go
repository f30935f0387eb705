package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/proxy/listing"
)

// A Lister says what of a listing somebody may see.
//
// Visible returns those of names that whoever has the grant may pull from, in
// the same order. shown is what came with this request. An *oci.Refusal is an
// error of the grant; any other means that it could not tell. Calls may overlap.
type Lister interface {
	Visible(ctx context.Context, shown oci.Shown, grant oci.Grant, names []string) ([]string, error)
}

// A Catalog is what listing repositories takes.
type Catalog struct {
	Config CatalogConfig
	Lister Lister
	Key    [32]byte    // that all gates share, and nothing else is sealed with
	Log    *zap.Logger // nil is silence
}

// CatalogConfig is the section catalog: how repositories are listed.
type CatalogConfig struct {
	// TTL is how long a registry's own listing is good for. It is taken anew
	// when somebody asks after that, and until it is there the last one is
	// shown. Default 60s.
	TTL time.Duration `yaml:"ttl"`
}

// Validate returns all mistakes as a problem.List.
func (c CatalogConfig) Validate() error {
	var l problem.List
	if c.TTL < 0 {
		l.Addf("ttl", "%v is negative", c.TTL)
	}
	return l.Err()
}

// Sizes of a page, as registries have them (distribution catalog.maxentries).
const (
	usualPage = 100
	mostPage  = 1000
)

// list answers GET /v2/_catalog with what the client may pull from, of all
// registries that it reaches under this host. No registry is asked on its
// behalf: none of them could leave out what it must not see.
func (g *Gateway) list(w http.ResponseWriter, r *http.Request, x exchange) error {
	names, err := g.catalog.names(r.Context(), x.route)
	if err != nil {
		return unlisted(err)
	}
	viewer := x.grant.Subject + "@" + x.route.host
	after, err := g.catalog.seal.Reveal(x.req.Param("last"), viewer)
	if err != nil {
		return oci.Errorf(oci.InvalidPage, "%v", err)
	}
	visible := func(ctx context.Context, names []string) ([]string, error) {
		return g.lister.Visible(ctx, shown(r, x.route), x.grant, names)
	}
	var page listing.Page
	err = g.catalog.turns.do(r.Context(), func() (err error) {
		page, err = listing.NewPage(r.Context(), names, after, pageSize(x.req), visible)
		return err
	})
	if err != nil {
		return g.challenge(r, x.route, x.req, err)
	}
	if page.Next != "" {
		last := page.Next
		if page.Hidden {
			last = g.catalog.seal.Hide(last, viewer)
		}
		next := x.req.After(last, pageSize(x.req))
		w.Header()["Link"] = []string{"<" + write(edge.Origin(r), next, "") + `>; rel="next"`}
	}
	return sendCatalog(w, page.Names)
}

// pageSize is how many names a client wants. No registry takes more than a
// thousand at once, and crane always asks for as many.
func pageSize(req oci.Request) int {
	n, err := strconv.Atoi(req.Param("n"))
	if err != nil {
		return usualPage
	}
	return min(n, mostPage)
}

// unlisted is the error of a catalog that cannot be had now.
func unlisted(err error) error {
	var known *oci.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, listing.ErrSlow):
		return oci.Errorf(oci.Unavailable, "the repositories are still being listed, ask again").Because(err).With("Retry-After", "10")
	case errors.Is(err, context.Canceled):
		return err
	}
	return oci.Errorf(oci.Unavailable, "the repositories cannot be listed now").Because(err).With("Retry-After", "10")
}

func sendCatalog(w http.ResponseWriter, names []string) error {
	if names == nil {
		names = []string{} // no client expects null
	}
	body, err := json.Marshal(struct {
		Repositories []string `json:"repositories"`
	}{names})
	if err != nil {
		return err
	}
	h := w.Header()
	setOwn(h, oci.ListCatalog)
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, err = w.Write(body)
	return err
}
