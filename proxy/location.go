package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// A registry writes links to itself with whatever it takes for its own
// address: that of its configuration, the one in X-Forwarded-Host, none, with
// a prefix or without. Clients send no credentials to another host, scheme or
// port than the one they know, so each link is read like a request and
// written anew for the public origin.

var (
	errForeignLink = errors.New("the link leads to nothing in the same repository")
	errNoURL       = errors.New("the link is no URL") // in place of an error that repeats it
)

// publicLocation is a Location of the registry as the client shall see it: an
// upload, a blob or a manifest of the same repository.
func (a *answer) publicLocation(text string) (string, error) {
	return a.public(text, func(req oci.Request) bool {
		switch req.Op {
		case oci.AppendUpload, oci.GetBlob, oci.GetManifest:
			return req.Repo == a.sent.Repo
		}
		return false
	})
}

// publicLink is a Link of the registry as the client shall see it: the next
// page of the same listing (RFC 8288; distribution-spec, "Listing Tags").
func (a *answer) publicLink(text string) (string, error) {
	target, params, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "<"), ">")
	if params = strings.ReplaceAll(params, " ", ""); !ok || params != `;rel="next"` && params != ";rel=next" {
		return "", errForeignLink
	}
	target, err := a.public(target, func(req oci.Request) bool {
		return req.Op == a.sent.Op && req.Repo == a.sent.Repo
	})
	return "<" + target + `>; rel="next"`, err
}

// public reads a link and writes it for the public origin, if what it leads
// to is fit.
func (a *answer) public(text string, fit func(oci.Request) bool) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errNoURL
	}
	u = a.res.Request.URL.ResolveReference(u)
	for path := u.EscapedPath(); ; path = path[1:] {
		i := strings.Index(path, "/v2/")
		if i < 0 {
			return "", errForeignLink
		}
		path = path[i:] // what is before it is the registry's prefix, or a part of that
		if req, ok := readLink(path, u.RawQuery); ok && fit(req) {
			req = a.hideState(req)
			req.Repo, req.Namespace = a.req.Repo, a.req.Namespace
			return write(edge.Origin(a.r), req, a.ticketFor(req)), nil
		}
	}
}

// readLink reads the target of a link. Only uploads take PATCH, and with it
// the state that the registry keeps in their query.
func readLink(path, query string) (oci.Request, bool) {
	if query != "" {
		path += "?" + query
	}
	for _, method := range [...]string{http.MethodPatch, http.MethodGet} {
		if req, err := oci.Parse(method, path); err == nil {
			return req, true
		}
	}
	return oci.Request{}, false
}

// write is a link for clients. One that names a registry with ns may follow a
// link as it is, and would mean the gate itself without it.
func write(origin string, req oci.Request, ticket string) string {
	text, ns := origin+req.Path(), ""
	if req.Namespace != "" {
		ns = url.Values{"ns": {req.Namespace}}.Encode()
	}
	if q := join(req.RawQuery(), ns, ticket); q != "" {
		text += "?" + q
	}
	return text
}

// join makes one query of several, of which any may be empty.
func join(queries ...string) string {
	return strings.Join(slices.DeleteFunc(queries, func(q string) bool { return q == "" }), "&")
}

// bare is a link as far as it may be logged. Whoever knows the query of a
// presigned URL can read the blob, and that of an upload is the registry's.
func bare(link string) string {
	if i := strings.IndexAny(link, "?#"); i >= 0 {
		return link[:i] + "?…"
	}
	return link
}

// storage checks the target of a 307, which is where the registry's storage
// has a blob. It passes as it is. One that leads back to the registry would
// lead past the gate.
func (a *answer) storage(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.Contains(text, " "): // perhaps another URL follows
		return errNoURL
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return errors.New("the redirect has no host")
	case u.User != nil:
		return errors.New("the redirect has a user") // a password for clients to send, or a host that looks like another
	case strings.EqualFold(u.Host, a.ep.URL.Host) || strings.EqualFold(u.Host, a.r.Host):
		return errors.New("the redirect leads back to the registry")
	}
	return nil
}
