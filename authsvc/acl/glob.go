package acl

import (
	"path"
	"strings"
	"unicode/utf8"
)

// A glob is a pattern of Go's path.Match, parsed once.
type glob []op

// An op is one step of a glob.
type op struct {
	kind    opKind
	text    string      // of opText
	ranges  []runeRange // of opClass
	negated bool        // of opClass
}

type opKind uint8

const (
	opText  opKind = iota
	opOne          // ?
	opStar         // *
	opClass        // [a-z]
)

type runeRange struct{ lo, hi rune }

// parseGlob returns path.ErrBadPattern if s is malformed.
func parseGlob(s string) (glob, error) {
	if _, err := path.Match(s, ""); err != nil {
		return nil, err
	}
	var g glob
	for s != "" {
		var o op
		switch s[0] {
		case '*':
			o, s = op{kind: opStar}, s[1:]
		case '?':
			o, s = op{kind: opOne}, s[1:]
		case '[':
			o, s = parseClass(s[1:])
		default:
			o, s = parseText(s)
		}
		g = append(g, o)
	}
	return g, nil
}

// parseText reads what is matched as it stands, up to a star and the like.
func parseText(s string) (op, string) {
	var text strings.Builder
	for s != "" && strings.IndexByte("*?[", s[0]) < 0 {
		if s[0] == '\\' {
			s = s[1:]
		}
		text.WriteByte(s[0])
		s = s[1:]
	}
	return op{text: text.String()}, s
}

// withText adds text that is matched as it stands.
func (g glob) withText(text string) glob {
	if text == "" {
		return g
	}
	if n := len(g); n > 0 && g[n-1].kind == opText {
		g[n-1].text += text
		return g
	}
	return append(g, op{text: text})
}

// parseClass reads what follows "[" up to and with "]", knowing that it is
// well formed.
func parseClass(s string) (op, string) {
	class := op{kind: opClass}
	if s[0] == '^' {
		class.negated, s = true, s[1:]
	}
	for s[0] != ']' {
		var r runeRange
		r.lo, s = parseClassRune(s)
		r.hi = r.lo
		if s[0] == '-' {
			r.hi, s = parseClassRune(s[1:])
		}
		class.ranges = append(class.ranges, r)
	}
	return class, s[1:]
}

func parseClassRune(s string) (rune, string) {
	s = strings.TrimPrefix(s, `\`)
	r, n := utf8.DecodeRuneInString(s)
	return r, s[n:]
}

// literal returns the only text that g matches, if there is but one.
func (g glob) literal() (string, bool) {
	switch {
	case len(g) == 0:
		return "", true
	case len(g) == 1 && g[0].kind == opText:
		return g[0].text, true
	}
	return "", false
}

// match does what path.Match does, step for step: what stands behind a star is
// looked for at its first place only, which is visible to a class that
// matches "/".
func (g glob) match(s string) bool {
	for len(g) > 0 {
		star, chunk, rest := g.cut()
		if star && len(chunk) == 0 {
			return strings.IndexByte(s, '/') < 0
		}
		after, ok := chunk.find(s, star, len(rest) == 0)
		if !ok {
			return false
		}
		g, s = rest, after
	}
	return s == ""
}

// cut returns the stars at the start of g as one, the steps up to the next
// star, and the rest.
func (g glob) cut() (star bool, chunk, rest glob) {
	for len(g) > 0 && g[0].kind == opStar {
		star, g = true, g[1:]
	}
	for i := range g {
		if g[i].kind == opStar {
			return star, g[:i], g[i:]
		}
	}
	return star, g, nil
}

// find matches a chunk at the start of s, or, behind a star, at the first
// place before and with the next slash. The last chunk must end where s ends.
func (g glob) find(s string, star, last bool) (rest string, ok bool) {
	for i := 0; ; i++ {
		rest, ok = g.step(s[i:])
		if ok && (rest == "" || !last) {
			return rest, true
		}
		if !star || i >= len(s) || s[i] == '/' {
			return "", false
		}
	}
}

// step matches a chunk, which has no stars, at the start of s.
func (g glob) step(s string) (rest string, ok bool) {
	for i := range g {
		o := &g[i]
		if o.kind == opText {
			if s, ok = strings.CutPrefix(s, o.text); !ok {
				return "", false
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 || !o.matchRune(r) {
			return "", false
		}
		s = s[n:]
	}
	return s, true
}

func (o *op) matchRune(r rune) bool {
	if o.kind == opOne {
		return r != '/'
	}
	for _, x := range o.ranges {
		if x.lo <= r && r <= x.hi {
			return !o.negated
		}
	}
	return o.negated
}
