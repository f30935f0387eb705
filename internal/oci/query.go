package oci

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxParams bounds the parameters of a query. Registries built with an older
// Go have no bound of their own, newer ones silently see none of 10,001.
const maxParams = 32

// TicketKey is the one query key that is the gate's own.
const TicketKey = "rg"

// StateKey is that of what distribution keeps of an upload, for itself alone.
const StateKey = "_state"

// parseQuery keeps the keys that the operation has, and checks their values.
//
// Registries skip a broken pair and take the first of two equal keys, in the
// query or in a form body (protocol.md 3.4). A gate that read another one than
// the registry would mount from a repository that nobody authorised, so broken
// and doubled keys are refused; bodies that are forms are refused by the proxy.
// A namespace alone may come twice, as long as it is the same one: clients add
// theirs to links that have it already.
func (r *Request) parseQuery(raw string) error {
	if raw == "" {
		return nil
	}
	if strings.Count(raw, "&") >= maxParams {
		return Errorf(BadRequest, "more than %d query parameters", maxParams)
	}
	all, err := url.ParseQuery(raw)
	if err != nil {
		return Errorf(BadRequest, "the query cannot be parsed").Because(err)
	}
	keep := operations[r.Op].query
	r.query = make(url.Values, len(keep))
	for key, values := range all {
		if len(values) > 1 && (key != namespace || len(slices.Compact(values)) > 1) {
			return Errorf(BadRequest, "query parameter %s is given twice", quoted(key))
		}
		if key == namespace {
			if err := r.takeNamespace(values[0]); err != nil {
				return err
			}
		}
		if !slices.Contains(keep, key) {
			continue
		}
		sealed := key == "last" && r.Op == ListCatalog && validSealed(values[0])
		if err := validParam(key, values[0]); err != nil && !sealed {
			return err
		}
		r.query[key] = values
	}
	r.takeMount()
	r.Ticket = r.query.Get(TicketKey)
	r.query.Del(TicketKey)
	return nil
}

// namespace is the registry that a client means by the name, when it asks
// another one for it (distribution-spec, "Registry Proxying"). Any request may
// have it. It decides the route, and never goes upstream.
const namespace = "ns"

func (r *Request) takeNamespace(value string) error {
	if value != "" && !ValidNamespace(value) {
		return Errorf(BadRequest, "ns is not the name of a registry")
	}
	r.Namespace = strings.ToLower(value)
	return nil
}

// takeMount moves the two halves of a mount out of the query, and forgets one
// that stands alone: some registries would mount from anywhere.
func (r *Request) takeMount() {
	from, mount := r.query.Get("from"), r.query.Get("mount")
	r.query.Del("from")
	r.query.Del("mount")
	if from != "" && mount != "" {
		r.From, r.Mount = from, mount
	}
}

// validSealed reports whether s can be the last name of a page of the catalog
// as the gate hides it: "~", which is in no name, and base64url.
func validSealed(s string) bool {
	text, ok := strings.CutPrefix(s, "~")
	return ok && len(text) <= maxSealed && only(text, func(c byte) bool { return isWord(c) || c == '-' })
}

const maxSealed = 512

func validParam(key, value string) error {
	if value == "" {
		return nil
	}
	switch key {
	case "from":
		if !ValidName(value) {
			return Errorf(InvalidName, "from is no valid repository name")
		}
	case "mount", "digest":
		if !ValidDigest(value) {
			return Errorf(InvalidDigest, "%s is no valid digest", key)
		}
	case "n":
		if n, err := strconv.Atoi(value); err != nil || n < 0 {
			return Errorf(InvalidPage, "n is no number of entries")
		}
	case "last":
		if !ValidName(value) && !ValidTag(value) {
			return Errorf(BadRequest, "last is neither a repository name nor a tag")
		}
	}
	return nil
}
