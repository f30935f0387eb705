package proxy

import (
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// Registries differ in how they list tags: distribution 2.8 gives all of them,
// in no order, whatever the client asks for, and null for none; 3.1 may give
// null, too (protocol.md 6). Clients see one page of a sorted list.

const (
	maxListing = 32 << 20 // bytes of a registry's answer: a million tags
	maxPage    = 4 << 20  // bytes of what is kept of it, and of the answer
)

// prepareTags makes the answer to a request for tags out of the registry's. A
// registry that pages by itself knows what is next; of any other, the page is
// cut here.
func (a *answer) prepareTags() error {
	a.watch.on()
	defer a.watch.off()
	body, err := a.plainJSON()
	if err != nil {
		if len(a.translation()) == 0 {
			return nil // whatever it is, it is not for the gate to understand
		}
		return a.noTags(err)
	}
	p := newPage(a.req, a.res.Header.Get("Link") != "")
	limited := &io.LimitedReader{R: body, N: maxListing}
	switch err := p.read(limited); {
	case err != nil && limited.N == 0:
		return a.noTags(errors.New("the list of tags is larger than 32 MiB"))
	case errors.Is(err, errNoList):
		return a.noTags(err)
	case err != nil:
		return oci.Errorf(oci.Unreachable, "registry unreachable").Because(a.why(err))
	}
	a.sendTags(p)
	return nil
}

// plainJSON is the body of an answer in JSON, which the registry may have
// compressed for the client. Its error is of another answer, which is as it was.
func (a *answer) plainJSON() (io.Reader, error) {
	h := a.res.Header
	if isJSON(h) {
		return a.res.Body, nil
	}
	plain := http.Header{"Content-Type": h["Content-Type"]}
	if h.Get("Content-Encoding") != "gzip" || !isJSON(plain) {
		return nil, fmt.Errorf("the list of tags is %s, encoded as %q", h.Get("Content-Type"), h.Get("Content-Encoding"))
	}
	h.Del("Content-Encoding")
	return &unzipped{from: a.res.Body}, nil
}

// unzipped reads what is compressed, and nothing before somebody wants it.
type unzipped struct {
	from io.Reader
	zip  *gzip.Reader
}

func (u *unzipped) Read(p []byte) (n int, err error) {
	if u.zip == nil {
		if u.zip, err = gzip.NewReader(u.from); err != nil {
			return 0, err
		}
	}
	return u.zip.Read(p)
}

func (a *answer) noTags(err error) error {
	return oci.Errorf(oci.BadGateway, "bad answer of the registry").Because(err)
}

// sendTags replaces the body, and the Link if the page was cut.
func (a *answer) sendTags(p *page) {
	more := p.finish()
	if n := len(p.tags); more && n > 0 {
		next := a.req.After(p.tags[n-1], p.most)
		a.res.Header["Link"] = []string{"<" + write(edge.Origin(a.r), next, "") + `>; rel="next"`}
	} else if p.most == 0 {
		a.res.Header.Del("Link")
	}
	text, _ := json.Marshal(struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{a.req.Repo, p.tags}) // strings alone cannot fail
	a.setBody(append(text, '\n'))
}

// A page is a part of a list of tags.
type page struct {
	after string // the last tag of the page before; "" for the first page
	most  int    // tags; negative if the client has not said
	ready bool   // the registry has cut and sorted it

	tags  []string
	bytes int
	cut   bool // there are more
}

func newPage(req oci.Request, ready bool) *page {
	p := &page{after: req.Param("last"), most: -1, ready: ready, tags: []string{}}
	if n, err := strconv.Atoi(req.Param("n")); err == nil {
		p.most = min(n, maxPage)
	}
	return p
}

// errNoList says that an answer is no list of tags.
var errNoList = errors.New("the registry's list of tags cannot be read")

// read takes the tags out of an answer, without ever having all of it.
func (p *page) read(from io.Reader) error {
	d := json.NewDecoder(from)
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return unreadable(err)
		}
		if key != "tags" {
			var other json.RawMessage
			err = d.Decode(&other)
		} else {
			err = p.readTags(d)
		}
		if err != nil {
			return unreadable(err)
		}
	}
	return expect(d, json.Delim('}'))
}

func (p *page) readTags(d *json.Decoder) error {
	switch token, err := d.Token(); {
	case err != nil:
		return err
	case token == nil: // null
		return nil
	case token != json.Delim('['):
		return fmt.Errorf("%w: tags is %v", errNoList, token)
	}
	for d.More() {
		var tag string
		if err := d.Decode(&tag); err != nil {
			return err
		}
		p.add(tag)
	}
	return expect(d, json.Delim(']'))
}

func expect(d *json.Decoder, want json.Token) error {
	token, err := d.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%w: %v instead of %v", errNoList, token, want)
	}
	return unreadable(err)
}

// unreadable makes a difference between a registry that talks nonsense and one
// that broke off.
func unreadable(err error) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	var corrupt flate.CorruptInputError
	if errors.As(err, &syntax) || errors.As(err, &wrong) || errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return fmt.Errorf("%w: %w", errNoList, err)
	}
	return err
}

// add takes a tag if it belongs to the page, or may do so. What clients cannot
// ask for is none.
func (p *page) add(tag string) {
	if !oci.ValidTag(tag) || !p.ready && tag <= p.after {
		return
	}
	p.tags = append(p.tags, tag)
	p.bytes += len(tag) + len(`"",`)
	if p.bytes > 2*maxPage || p.most >= 0 && len(p.tags) >= 2*p.most+1000 {
		p.trim()
	}
}

// trim sorts the tags, and leaves out those beyond the end of the page.
func (p *page) trim() {
	if !p.ready {
		slices.Sort(p.tags)
		p.tags = slices.Compact(p.tags)
	}
	keep := len(p.tags)
	if p.most >= 0 {
		keep = min(keep, p.most)
	}
	p.bytes = 0
	for i, tag := range p.tags[:keep] {
		if p.bytes += len(tag) + len(`"",`); p.bytes > maxPage {
			keep = i
			break
		}
	}
	if keep < len(p.tags) {
		p.cut = true
		clear(p.tags[keep:])
		p.tags = p.tags[:keep]
	}
}

// finish ends the page, and reports whether another one follows that the
// registry knows nothing of.
func (p *page) finish() (more bool) {
	p.trim()
	return p.cut
}
