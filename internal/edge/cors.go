package edge

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// CORS lets pages of other sites, such as a browser for registries, read the
// answers to their own requests (Fetch standard, "CORS protocol"). Everybody
// else's browser is told nothing, and then shows them nothing.
//
// Credentials may come along, which here means a password that the page's user
// typed in for the gate: no cookie of the gate is sent across sites.
func CORS(origins []string) Middleware {
	allowed := make(map[string]bool, len(origins))
	for _, o := range origins {
		allowed[o] = true
	}
	return func(next http.Handler) http.Handler {
		if len(allowed) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h, origin := w.Header(), r.Header.Get("Origin")
			h.Add("Vary", "Origin")
			if !allowed[origin] {
				next.ServeHTTP(w, r)
				return
			}
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				preflight(h)
				w.WriteHeader(http.StatusNoContent)
				return
			}
			h.Set("Access-Control-Expose-Headers", exposed)
			next.ServeHTTP(w, r)
		})
	}
}

// exposed are the fields that a page may read beside those that it always may.
const exposed = "Content-Range, Docker-Content-Digest, Docker-Distribution-Api-Version, Docker-Upload-Uuid, Etag, Link, Location, " +
	"Oci-Filters-Applied, Oci-Subject, Range, Retry-After, Www-Authenticate"

// preflight says what may be sent. What it needs is for the request itself to
// show: browsers send no credentials with a preflight.
func preflight(h http.Header) {
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Range, Content-Type, If-None-Match, Range")
	h.Set("Access-Control-Max-Age", "7200") // the most that browsers take
}

// CheckOrigin says what is wrong with an origin as CORS takes it: it is
// compared with what browsers send, byte for byte (RFC 6454 6.2).
func CheckOrigin(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "*" || text == "null":
		return errors.New("would let the pages of everybody in; name the sites")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return errors.New(`is no origin such as "https://ui.example.com"`)
	case text != u.Scheme+"://"+u.Host:
		return errors.New("has more than a scheme, a host and a port")
	case strings.ToLower(text) != text || strings.Contains(text, "*"):
		return errors.New("is compared with what browsers send: lower case, and no wildcard")
	case u.Port() == "443" && u.Scheme == "https" || u.Port() == "80" && u.Scheme == "http":
		return errors.New("names the port that browsers leave out")
	}
	return nil
}
