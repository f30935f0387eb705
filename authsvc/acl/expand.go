package acl

import (
	"regexp"
	"strings"
)

// never is a regex that matches nothing: what a label without values is.
const never = `[^\x00-\x{10FFFF}]`

// try matches with one combination: of the options of each part, all at once
// in a regex, the only one in a glob.
func (t *template) try(s string, bound [][]option) verdict {
	if t.globs != nil {
		return verdictOf(t.expand(bound).match(s))
	}
	re, err := regexp.Compile(t.regex(bound))
	if err != nil { // too large with these values, which nobody could know at load
		return undecided
	}
	return verdictOf(re.MatchString(s))
}

func (t *template) expand(bound [][]option) glob {
	g := make(glob, 0, 8)
	for i, o := range bound {
		switch {
		case t.parts[i].kind == plainText:
			g = append(g, t.globs[i]...)
		case o[0].glob != nil:
			g = append(g, o[0].glob...)
		default:
			g = g.withText(o[0].text)
		}
	}
	return g
}

func (t *template) regex(bound [][]option) string {
	var b strings.Builder
	for i, p := range t.parts {
		if p.kind == plainText {
			b.WriteString(p.text)
			continue
		}
		b.WriteString("(?:")
		for k, o := range bound[i] {
			if k > 0 {
				b.WriteByte('|')
			}
			b.WriteString(regexp.QuoteMeta(o.text))
		}
		if len(bound[i]) == 0 {
			b.WriteString(never)
		}
		b.WriteByte(')')
	}
	return b.String()
}
