package oci

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A Request is what a client asks of a registry. Only Parse makes one, so its
// names are valid and its operation exists.
type Request struct {
	Op     Op
	Repo   string // "" for Ping and ListCatalog
	Ref    string // tag or digest of a manifest
	Digest string // of a blob, or of the manifest that referrers are asked for
	Upload string // id of an upload; "" for StartUpload

	// From and Mount are the source of a cross-repository mount, both or
	// neither: a mount without its source is an ordinary upload.
	From, Mount string

	// Namespace is the registry in whose place the client asks the gate, in
	// lower case: docker.io. It is "" if the client names none.
	Namespace string

	// Ticket is the parameter TicketKey of an upload's URL, as it came. The gate
	// has put it there, and no registry gets to see it.
	Ticket string

	query url.Values // what goes upstream, From and Mount apart
}

// IsV2 reports whether a request target is below /v2/ and so for Parse.
func IsV2(target string) bool {
	rest, ok := strings.CutPrefix(target, "/v2")
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// Parse reads a method and a request target as they came over the wire
// (http.Request.RequestURI): origin-form, undecoded.
//
// Its errors are all *Error: InvalidName, InvalidDigest and BadRequest for
// text that is not well formed, NoSuchPath for a path that no registry has,
// Unsupported for a method that the path does not have.
func Parse(method, target string) (Request, error) {
	path, rawQuery, _ := strings.Cut(target, "?")
	path, err := plain(path)
	if err != nil {
		return Request{}, err
	}
	at, req, err := split(path)
	if err != nil {
		return Request{}, err
	}
	op, allowed := at.find(method)
	if op == 0 {
		return Request{}, Errorf(Unsupported, "method is not supported here").
			With("Allow", strings.Join(allowed, ", "))
	}
	req.Op = op
	if err := req.parseQuery(rawQuery); err != nil {
		return Request{}, err
	}
	return req, nil
}

// plain returns the path with its one legal escape decoded: some clients write
// the colon of a digest as %3A. Any other escape, and any byte that no name,
// tag, digest or upload holds, is refused, so nothing is left to decode twice.
func plain(path string) (string, error) {
	if strings.IndexByte(path, '%') >= 0 {
		path = strings.NewReplacer("%3A", ":", "%3a", ":").Replace(path)
	}
	if !only(path, func(c byte) bool { return isWord(c) || strings.IndexByte("./:-", c) >= 0 }) {
		return "", Errorf(InvalidName, "path holds a character that no repository name has")
	}
	return path, nil
}

// split finds the endpoint of a path and its parts. It decides from the right,
// as distribution does: in /v2/a/manifests/b/manifests/c the repository is
// a/manifests/b.
func split(path string) (endpoint, Request, error) {
	switch path {
	case "/v2", "/v2/":
		return base, Request{}, nil
	case "/v2/_catalog":
		return catalog, Request{}, nil
	}
	rest, _ := strings.CutPrefix(path, "/v2/")
	head, arg := cutLast(rest)
	name, kind := cutLast(head)
	switch {
	case kind == "tags" && arg == "list":
		return named(tags, Request{Repo: name})
	case kind == "manifests":
		return named(manifest, Request{Repo: name, Ref: arg})
	case kind == "blobs":
		return named(blob, Request{Repo: name, Digest: arg})
	case kind == "referrers":
		return named(referrers, Request{Repo: name, Digest: arg})
	case kind == "uploads":
		name, kind = cutLast(name)
		if kind == "blobs" && arg == "" {
			return named(uploads, Request{Repo: name})
		}
		if kind == "blobs" {
			return named(upload, Request{Repo: name, Upload: arg})
		}
	}
	return 0, Request{}, Errorf(NoSuchPath, "no such path")
}

// named checks the parts of a path that has a repository.
func named(at endpoint, r Request) (endpoint, Request, error) {
	switch {
	case r.Repo == "":
		return 0, r, Errorf(NoSuchPath, "no such path")
	case !ValidName(r.Repo):
		return 0, r, Errorf(InvalidName, "invalid repository name")
	case at == manifest && strings.IndexByte(r.Ref, ':') >= 0 && !ValidDigest(r.Ref):
		return 0, r, Errorf(InvalidDigest, "invalid digest")
	case at == manifest && !ValidDigest(r.Ref) && !ValidTag(r.Ref):
		return 0, r, Errorf(InvalidName, "invalid tag")
	case (at == blob || at == referrers) && !ValidDigest(r.Digest):
		return 0, r, Errorf(InvalidDigest, "invalid digest")
	case at == upload && !validUpload(r.Upload):
		return 0, r, Errorf(NoSuchPath, "no such upload")
	}
	return at, r, nil
}

func cutLast(s string) (head, last string) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+1:]
}

// Needs lists what the client must be granted. It is empty for Ping, which
// wants a valid token all the same.
func (r Request) Needs() []Access { return r.accesses(operations[r.Op].needs) }

// UpstreamNeeds lists what the registry will ask of a token for this request.
func (r Request) UpstreamNeeds() []Access { return r.accesses(operations[r.Op].upstream) }

func (r Request) accesses(acts Actions) []Access {
	switch {
	case r.Op == Ping:
		return nil
	case r.Op == ListCatalog:
		return []Access{CatalogAccess()}
	case r.From != "":
		return []Access{{Repository, r.Repo, acts}, {Repository, r.From, Pull}}
	}
	return []Access{{Repository, r.Repo, acts}}
}

// WithoutMount is the request as an ordinary upload, which is how the
// distribution-spec lets a registry answer any mount that it does not make.
func (r Request) WithoutMount() Request {
	r.From, r.Mount = "", ""
	return r
}

// Renamed is the request for the repository called repo, and with a mount from
// the one called from. Its error is an InvalidName: a name can be good here and
// too long there.
func (r Request) Renamed(repo, from string) (Request, error) {
	for _, name := range [...]string{repo, from} {
		if len(name) > maxName {
			return Request{}, Errorf(InvalidName, "the name is too long for the registry: it has %d characters there, and may have %d", len(name), maxName)
		}
	}
	if !ValidName(repo) || from == "" != (r.From == "") || from != "" && !ValidName(from) {
		return Request{}, Errorf(InvalidName, "invalid repository name")
	}
	r.Repo, r.From = repo, from
	return r, nil
}

// Action is what the request comes to, for whoever sends pushes elsewhere than
// pulls. Everything about an upload is a Push.
func (r Request) Action() Actions {
	needs := operations[r.Op].needs
	switch {
	case needs&Push != 0:
		return Push
	case needs&Delete != 0:
		return Delete
	}
	return Pull
}

// Path is the path of the request, built from its parts alone. It holds no
// character that needs escaping.
func (r Request) Path() string {
	switch operations[r.Op].at {
	case base:
		return "/v2/"
	case catalog:
		return "/v2/_catalog"
	case tags:
		return "/v2/" + r.Repo + "/tags/list"
	case manifest:
		return "/v2/" + r.Repo + "/manifests/" + r.Ref
	case blob:
		return "/v2/" + r.Repo + "/blobs/" + r.Digest
	case referrers:
		return "/v2/" + r.Repo + "/referrers/" + r.Digest
	}
	return "/v2/" + r.Repo + "/blobs/uploads/" + r.Upload
}

// RawQuery is the query of the request, built from the keys that its
// operation has; "" if none of them was there.
func (r Request) RawQuery() string {
	if r.From == "" {
		return r.query.Encode()
	}
	q := url.Values{"from": {r.From}, "mount": {r.Mount}}
	for k, v := range r.query {
		q[k] = v
	}
	return q.Encode()
}

// Param is a parameter of the query that goes upstream; "" if it is not there.
func (r Request) Param(key string) string { return r.query.Get(key) }

// WithState is the request with another state of its upload.
func (r Request) WithState(state string) Request {
	r.query = maps.Clone(r.query)
	r.query.Set(StateKey, state)
	return r
}

// After is the request for the next page of a listing: what follows last, and
// at most n of it. A negative n leaves that to whoever answers.
func (r Request) After(last string, n int) Request {
	r.query = url.Values{"last": {last}}
	if n >= 0 {
		r.query.Set("n", strconv.Itoa(n))
	}
	return r
}

// ReadOnly reports whether the request changes nothing, so that it may be
// asked twice.
func (r Request) ReadOnly() bool {
	m := operations[r.Op].methods[0]
	return m == http.MethodGet
}
