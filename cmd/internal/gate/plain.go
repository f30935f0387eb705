package gate

import (
	"net/http"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// caPath is where clients fetch the certificate of the gate's own CA.
const caPath = "/.well-known/regate/ca.crt"

// servePlain answers on the http listener: the CA's certificate, which nobody
// could fetch over a TLS that he does not trust yet, a redirect for browsers,
// and nothing else. It never takes credentials: a client that sent some is
// told the same as any other.
func (g *generation) servePlain(w http.ResponseWriter, r *http.Request) error {
	edge.RecordFrom(r.Context()).Op = "plain"
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
	w.Header().Set("Location", origin+r.URL.RequestURI())
	w.WriteHeader(http.StatusPermanentRedirect)
	return nil
}

// serveCA answers with the CA's certificate in mode internal.
func (g *generation) serveCA(w http.ResponseWriter, r *http.Request) error {
	edge.RecordFrom(r.Context()).Op = "ca"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return oci.Errorf(oci.Unsupported, "read the certificate with GET").With("Allow", "GET, HEAD")
	}
	pem := g.ca()
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
