package acl

import (
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// maxHeads bounds the alternatives that one pattern is filed under.
const maxHeads = 32

// heads are texts one of which begins everything that a pattern matches, or,
// if whole, is everything that it can match. There may be more of them than the
// pattern really matches, never fewer. nil says nothing.
type heads struct {
	texts []string
	whole bool
}

// anything is what we know of a pattern that may begin with anything.
var anything = heads{texts: []string{""}}

// known is h, or nothing if h would admit anything.
func (h heads) known() heads {
	if !h.whole && slices.Contains(h.texts, "") {
		return heads{}
	}
	return h
}

func globHeads(g glob) heads {
	if len(g) > 0 && g[0].kind != opText {
		return heads{}
	}
	if text, ok := g.literal(); ok {
		return heads{[]string{text}, true}
	}
	return heads{texts: []string{g[0].text}}
}

// regexHeads are those of a regular expression, which has some only if it is
// anchored at its start.
func regexHeads(re *syntax.Regexp) heads {
	if !begins(re) {
		return heads{}
	}
	h := headsOf(re)
	h.whole = h.whole && ends(re)
	return h.known()
}

// headsOf ignores all assertions: without them a regex matches more, and more
// heads do no harm.
func headsOf(re *syntax.Regexp) heads {
	switch re.Op {
	case syntax.OpLiteral:
		return literalHeads(re)
	case syntax.OpCharClass:
		return classHeads(re)
	case syntax.OpCapture:
		if _, isVariable := variableIndex(re); !isVariable {
			return headsOf(re.Sub[0])
		}
	case syntax.OpConcat:
		return concatHeads(re.Sub)
	case syntax.OpAlternate:
		return alternateHeads(re.Sub)
	case syntax.OpQuest:
		return alternateHeads([]*syntax.Regexp{{Op: syntax.OpEmptyMatch}, re.Sub[0]})
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine,
		syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return heads{[]string{""}, true}
	}
	return anything
}

// literalHeads knows nothing of text that matches in either case, nor of the
// replacement character, which broken UTF-8 matches as well.
func literalHeads(re *syntax.Regexp) heads {
	if re.Flags&syntax.FoldCase != 0 || slices.Contains(re.Rune, utf8.RuneError) {
		return anything
	}
	return heads{[]string{string(re.Rune)}, true}
}

func classHeads(re *syntax.Regexp) heads {
	h := heads{whole: true}
	for i := 0; i < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		if lo <= utf8.RuneError && utf8.RuneError <= hi || int(hi-lo)+len(h.texts) >= maxHeads {
			return anything
		}
		for r := lo; r <= hi; r++ {
			h.texts = append(h.texts, string(r))
		}
	}
	return h
}

func concatHeads(subs []*syntax.Regexp) heads {
	all := heads{[]string{""}, true}
	for _, sub := range subs {
		next := headsOf(sub)
		if len(all.texts)*len(next.texts) > maxHeads {
			return heads{texts: all.texts}
		}
		var joined []string
		for _, a := range all.texts {
			for _, b := range next.texts {
				joined = append(joined, a+b)
			}
		}
		all = heads{joined, next.whole}
		if !next.whole {
			break
		}
	}
	return all
}

func alternateHeads(subs []*syntax.Regexp) heads {
	all := heads{whole: true}
	for _, sub := range subs {
		h := headsOf(sub)
		all.texts, all.whole = append(all.texts, h.texts...), all.whole && h.whole
	}
	if len(all.texts) > maxHeads {
		return anything
	}
	return all
}

// begins reports whether re can match at the start of a text only.
func begins(re *syntax.Regexp) bool { return anchored(re, syntax.OpBeginText, 0) }

// ends reports whether re can match at the end of a text only.
func ends(re *syntax.Regexp) bool { return anchored(re, syntax.OpEndText, -1) }

// anchored looks for an assertion at one side of re: of a concatenation, that
// is its first or (-1) its last part.
func anchored(re *syntax.Regexp, assertion syntax.Op, side int) bool {
	switch re.Op {
	case assertion:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return anchored(re.Sub[0], assertion, side)
	case syntax.OpConcat:
		return anchored(re.Sub[(side+len(re.Sub))%len(re.Sub)], assertion, side)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !anchored(sub, assertion, side) })
	}
	return false
}

// loose reports whether re may match in the middle of a text where the author
// may have meant all of it: it is neither anchored nor open (".*") at a side.
func loose(re *syntax.Regexp) bool {
	return !tight(re, syntax.OpBeginText, 0) || !tight(re, syntax.OpEndText, -1)
}

func tight(re *syntax.Regexp, assertion syntax.Op, side int) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL || anchored(re, assertion, side)
	case syntax.OpCapture:
		return tight(re.Sub[0], assertion, side)
	case syntax.OpConcat:
		return tight(re.Sub[(side+len(re.Sub))%len(re.Sub)], assertion, side)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !tight(sub, assertion, side) })
	}
	return anchored(re, assertion, side)
}
