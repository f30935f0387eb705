package browser

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed pages.html
var pagesHTML string

//go:embed pages.css
var pagesCSS string

var templates = template.Must(template.New("pages").
	Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(pagesCSS) }}).
	Parse(pagesHTML))

// policy lets a page show itself and send its forms back here: it has no
// scripts, loads nothing, and is in nobody's frame (CSP 3).
var policy = "default-src 'none'; style-src 'sha256-" + styleHash() + "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(pagesCSS))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// guard sets what goes with every answer of the pages, redirects too.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for what is older than frame-ancestors
}

// show writes a page. It is made in full before its status is sent.
func show(w http.ResponseWriter, r *http.Request, sc screen) error {
	sc.Host = hostOf(r)
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, sc.Name, sc); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(sc.Status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := page.WriteTo(w)
	return err
}
