package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// A translation replaces the names that a registry has for the repositories of
// a request by those that the client has used. It is for texts that people
// read: what clients go by is rewritten where it stands.
//
// A name is replaced wherever it is whole components of a path, since errors
// have it in sentences, in URLs, and in paths of a storage. So a repository
// called "unknown" may be told in odd words that something is unknown.
type translation []struct{ inside, public string }

// translation is empty if the client and the registry use the same names.
func (x exchange) translation() translation {
	var t translation
	add := func(inside, public string) {
		if inside == public {
			return
		}
		t = append(t, struct{ inside, public string }{inside, public})
		if strings.Contains(inside, "/") {
			for _, slash := range [...]string{"%2F", "%2f"} { // in a query, or a storage's URL
				t = append(t, struct{ inside, public string }{strings.ReplaceAll(inside, "/", slash), strings.ReplaceAll(public, "/", slash)})
			}
		}
	}
	add(x.sent.Repo, x.req.Repo)
	add(x.sent.From, x.req.From)
	return t
}

// text translates a text, of which it leaves out what is beyond maxWhole. Of two
// names that begin at one place, the longer one is meant.
func (t translation) text(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxWhole; {
		n, public := t.at(s, i)
		if n == 0 {
			n, public = 1, s[i:i+1]
		}
		b.WriteString(public)
		i += n
	}
	return b.String()
}

// at returns the length of the name that begins at s[i], and what to put in its
// place; 0 if there is none.
func (t translation) at(s string, i int) (n int, public string) {
	if endsInName(s[:i]) {
		return 0, ""
	}
	for _, name := range t {
		if len(name.inside) > n && strings.HasPrefix(s[i:], name.inside) && !beginsInName(s[i+len(name.inside):]) {
			n, public = len(name.inside), name.public
		}
	}
	return n, public
}

// endsInName reports whether a component of a name that begins before the end
// of s could go on after it. In "%2F" and "\\n" none ends.
func endsInName(s string) bool {
	t := strings.TrimRight(s, "._-")
	switch {
	case t == "":
		return false
	case t != s:
		return isLower(t[len(t)-1])
	case len(s) >= 3 && strings.EqualFold(s[len(s)-3:], "%2f"), len(s) >= 2 && s[len(s)-2] == '\\':
		return false
	}
	return isLetter(s[len(s)-1])
}

// beginsInName reports whether a component that began before s goes on in it.
// A dot that ends a sentence is none of a name.
func beginsInName(s string) bool {
	t := strings.TrimLeft(s, "._-")
	if t == "" || t == s {
		return t != "" && isLetter(t[0])
	}
	return isLower(t[0])
}

func isLower(c byte) bool  { return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }
func isLetter(c byte) bool { return isLower(c) || 'A' <= c && c <= 'Z' }

// maxDepth bounds how deep JSON is nested that is translated.
const maxDepth = 100

// json translates the texts in JSON, all but the keys and codes of an error of
// the distribution-spec, and leaves the rest as it is. ok is false if it is no
// JSON, or too much of it.
func (t translation) json(text []byte) (out []byte, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	w := &jsonWriter{}
	for {
		token, err := d.Token()
		if err == io.EOF && len(w.open) == 0 {
			w.out.Write(text[len(bytes.TrimRight(text, "\n")):]) // as most encoders end it
			return w.out.Bytes(), true
		}
		if err != nil || len(w.open) > maxDepth || w.out.Len() > maxWhole {
			return nil, false
		}
		if s, isText := token.(string); isText && !w.fixed() {
			token = t.text(s)
		}
		w.write(token)
	}
}

// A jsonWriter writes what a json.Decoder has taken apart, in the same order.
type jsonWriter struct {
	out  bytes.Buffer
	open []level
	key  string // the last one
}

// A level is an array or an object that has not ended yet.
type level struct {
	object bool
	values int // keys count as well
}

func (w *jsonWriter) top() *level { return &w.open[len(w.open)-1] }

// isKey reports whether what is written next is the key of an object.
func (w *jsonWriter) isKey() bool {
	return len(w.open) > 0 && w.top().object && w.top().values%2 == 0
}

// fixed reports whether a text has its meaning for programs: {"errors":
// [{"code": …, "message": …, "detail": …}]} is three levels deep.
func (w *jsonWriter) fixed() bool {
	return len(w.open) <= 3 && (w.isKey() || w.key == "code")
}

func (w *jsonWriter) write(token json.Token) {
	if end, isDelim := token.(json.Delim); isDelim && (end == '}' || end == ']') {
		w.open = w.open[:len(w.open)-1]
		w.out.WriteRune(rune(end))
		return
	}
	if s, isText := token.(string); isText && w.isKey() {
		w.key = s
	}
	if len(w.open) > 0 {
		w.separate()
		w.top().values++
	}
	if begin, isDelim := token.(json.Delim); isDelim {
		w.out.WriteRune(rune(begin))
		w.open = append(w.open, level{object: begin == '{'})
		return
	}
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(token)             // a string, a number, a bool or nil cannot fail
	w.out.Truncate(w.out.Len() - 1) // the line's end
}

func (w *jsonWriter) separate() {
	switch l := w.top(); {
	case l.object && l.values%2 == 1:
		w.out.WriteByte(':')
	case l.values > 0:
		w.out.WriteByte(',')
	}
}
