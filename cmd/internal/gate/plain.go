package gate

import (
	"net/http"
	"strings"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// caPath is where clients fetch the certificate of the gate's own CA.
const caPath = "/.well-known/regate/ca.crt"

// challengePath is where CAs look whether a host leads here (RFC 8555 8.3).
const challengePath = "/.well-known/acme-challenge/"

// servePlain answers on the http listener: what a CA asks about a host, the
// certificate of the gate's own CA, which nobody could fetch over a TLS that he
// does not trust yet, a redirect for browsers or why there cannot be one, and
// nothing else. It never takes credentials: a client that sent some is told the
// same as any other.
func (g *generation) servePlain(w http.ResponseWriter, r *http.Request) error {
	edge.RecordFrom(r.Context()).Op = "plain"
	if strings.HasPrefix(r.URL.Path, challengePath) {
		return g.serveChallenge(w, r)
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return oci.Errorf(oci.Unsupported, "this address speaks http, use https").With("Allow", "GET, HEAD")
	case r.RequestURI == caPath:
		return g.serveCA(w, r)
	}
	origin, ok := g.hosts.Public(r.Host)
	if !ok || r.RequestURI == "" || r.RequestURI[0] != '/' {
		return oci.Errorf(oci.NoSuchPath, "no such path")
	}
	if n, waits := g.waiting(origin); waits {
		return n.serve(w, r)
	}
	w.Header().Set("Location", origin+r.URL.RequestURI())
	w.WriteHeader(http.StatusPermanentRedirect)
	return nil
}

// serveChallenge sends nobody to https: a CA that was told so would find the
// gate without the answer there.
func (g *generation) serveChallenge(w http.ResponseWriter, r *http.Request) error {
	edge.RecordFrom(r.Context()).Op = "challenge"
	if g.certs.ServeChallenge(w, r) {
		return nil
	}
	return oci.Errorf(oci.NoSuchPath, "no such challenge is open")
}

// serveCA answers with the CA's certificate in mode internal.
func (g *generation) serveCA(w http.ResponseWriter, r *http.Request) error {
	edge.RecordFrom(r.Context()).Op = "ca"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return oci.Errorf(oci.Unsupported, "read the certificate with GET").With("Allow", "GET, HEAD")
	}
	pem := g.certs.CAPEM()
	if pem == nil {
		return oci.Errorf(oci.NoSuchPath, "no such path")
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-pem-file")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Disposition", `attachment; filename="ca.crt"`)
	_, err := w.Write(pem)
	return err
}
