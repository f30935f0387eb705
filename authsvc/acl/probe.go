package acl

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
)

// variablePrefix begins the name of the group that stands for a variable while
// a regex with variables is looked at; the number of its part follows.
const variablePrefix = "regate_"

// probe is a regex with a named group, holding one letter, in the place of
// each variable.
func probe(parts []part) string {
	var b strings.Builder
	for i, p := range parts {
		if p.kind == plainText {
			b.WriteString(p.text)
		} else {
			fmt.Fprintf(&b, "(?P<%s%d>x)", variablePrefix, i)
		}
	}
	return b.String()
}

// variableIndex returns which part a group of a probe stands for.
func variableIndex(re *syntax.Regexp) (int, bool) {
	number, ok := strings.CutPrefix(re.Name, variablePrefix)
	if re.Op != syntax.OpCapture || !ok {
		return 0, false
	}
	i, err := strconv.Atoi(number)
	return i, err == nil
}

// A place is where in a regex a variable stands.
type place struct {
	repeated bool // under * or +: it must have the same value each time
	folded   bool // under (?i)
}

// findVariables returns the places of the variables in a probe, by part.
func findVariables(tree *syntax.Regexp) map[int]place {
	places := make(map[int]place)
	addVariables(places, tree, false)
	return places
}

func addVariables(places map[int]place, re *syntax.Regexp, repeated bool) {
	if i, ok := variableIndex(re); ok {
		places[i] = place{repeated: repeated, folded: re.Sub[0].Flags&syntax.FoldCase != 0}
		return
	}
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		repeated = true
	}
	for _, sub := range re.Sub {
		addVariables(places, sub, repeated)
	}
}

// leadingVariable returns the part that a regex begins with if that is "^" and
// a variable, else -1.
func leadingVariable(tree *syntax.Regexp) int {
	if tree.Op != syntax.OpConcat || tree.Sub[0].Op != syntax.OpBeginText {
		return -1
	}
	if i, ok := variableIndex(tree.Sub[1]); ok {
		return i
	}
	return -1
}
