package gate

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

//go:embed nowhere.html
var nowherePage string

var nowhereHTML = template.Must(template.New("nowhere.html").Parse(nowherePage))

// serveNowhere answers for every path that there is not. People who have typed
// in the name of the registry get a page that says what it is; everybody else
// the error of an API.
func (g *generation) serveNowhere(w http.ResponseWriter, r *http.Request) error {
	wrong := oci.Errorf(oci.NoSuchPath, "no such path")
	h := w.Header()
	h.Add("Vary", "Accept")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !reads || !strings.HasPrefix(r.Header.Get("Accept"), "text/html") {
		return wrong
	}
	var page bytes.Buffer
	err := nowhereHTML.Execute(&page, struct {
		Host  string
		Pages bool
	}{strings.TrimPrefix(edge.Origin(r), "https://"), g.pages != nil})
	if err != nil {
		return err
	}
	edge.RecordFrom(r.Context()).Err = wrong
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(wrong.Kind.Status())
	if r.Method == http.MethodHead {
		return nil
	}
	_, err = page.WriteTo(w)
	return err
}
