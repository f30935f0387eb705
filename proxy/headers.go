package proxy

import (
	"net/http"
	"strings"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// toRegistry has the header fields of a client that a registry may see; any
// other is dropped (protocol.md 4.7). Authorization is none of them: what a
// registry is shown, the endpoint's Credential says.
//
// Expect passes, so that a body is not sent before the registry wants it. Of
// the rest, Upgrade would make a registry open a raw channel, X-Forwarded-* and
// Forwarded would choose the host in its links, and Idempotency-Key would make
// http.Transport send a request twice.
var toRegistry = [...]string{
	"Accept",
	"Accept-Encoding",
	"Content-Range",
	"Content-Type",
	"Expect",
	"If-None-Match",
	"If-Range",
	"Range",
	"Traceparent",
	"User-Agent",
}

// outgoing builds the request to the registry from its parsed parts.
func outgoing(r *http.Request, x exchange) *http.Request {
	h := make(http.Header, 8) // more would cost 2 kB, and most clients send fewer
	for _, name := range toRegistry {
		if v := r.Header[name]; len(v) > 0 {
			h[name] = v
		}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = nil // or http.Transport sends its own
	}
	h["X-Forwarded-Proto"] = []string{"https"}
	h["X-Forwarded-Host"] = []string{strings.TrimPrefix(edge.Origin(r), "https://")}
	if from := edge.Client(r); from.IsValid() {
		h["X-Forwarded-For"] = []string{from.String()}
	}
	out := &http.Request{
		Method:     r.Method,
		URL:        x.ep.Target(x.sent.Path(), x.sent.RawQuery()),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     h,
	}
	if !x.route.Pool.Checked() {
		out.Host = r.Host // the registry may make its challenge of it (autoredirect)
	}
	return out
}

// toClient reports whether a client may see a header field of a registry that
// the gate does not set itself (protocol.md 4.7). Content-Encoding belongs to
// the bytes of the body, which pass as they are.
func toClient(name string) bool {
	switch name {
	case "Accept-Ranges", "Allow", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
		"Docker-Content-Digest", "Docker-Upload-Uuid", "Etag", "Last-Modified", "Range", "Retry-After", "Warning":
		return true
	}
	return strings.HasPrefix(name, "Oci-") && name != "Oci-Namespace" // the registry knows of none
}

// setAlways sets what every answer has, errors too: docker looks for the first,
// and whoever may push, or has a registry that is mirrored, writes what a browser
// would show under our name, where people log in.
func setAlways(h http.Header) {
	h["Docker-Distribution-Api-Version"] = apiVersion
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = sandbox
}

// setNamespace says in whose place the gate answers (distribution-spec,
// "Registry Proxying").
func setNamespace(h http.Header, req oci.Request) {
	if req.Namespace != "" {
		h["Oci-Namespace"] = []string{req.Namespace}
	}
}

// setOwn sets the fields that the gate answers for. No cache between the gate
// and the client may keep what only this client was granted; the client itself
// may keep a blob, which never changes.
func setOwn(h http.Header, op oci.Op) {
	h["Cache-Control"] = noStore
	if op == oci.GetBlob {
		h["Cache-Control"] = private
	}
}

var (
	apiVersion = []string{"registry/2.0"}
	noSniff    = []string{"nosniff"}
	sandbox    = []string{"default-src 'none'; sandbox"}
	octets     = []string{"application/octet-stream"}
	noStore    = []string{"no-store"}
	private    = []string{"private, max-age=31536000"}
)
