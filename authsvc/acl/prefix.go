package acl

import (
	"slices"
	"strings"
)

// prefixes finds the texts that a text begins with.
type prefixes struct {
	texts  []string // sorted
	parent []int32  // the longest other text that it begins with; -1 for none
	rules  [][]int32
}

func newPrefixes(byText map[string][]int32) prefixes {
	var p prefixes
	for text := range byText {
		p.texts = append(p.texts, text)
	}
	slices.Sort(p.texts)
	p.parent = make([]int32, len(p.texts))
	p.rules = make([][]int32, len(p.texts))
	for i, text := range p.texts {
		p.rules[i] = byText[text]
		p.parent[i] = p.longest(i-1, text)
	}
	return p
}

// longest returns the longest text up to the i-th that s begins with. Texts
// that sort between a prefix of s and s begin with that prefix themselves, so
// it is found among the i-th and its parents.
func (p *prefixes) longest(i int, s string) int32 {
	for i >= 0 && !strings.HasPrefix(s, p.texts[i]) {
		i = int(p.parent[i])
	}
	return int32(i)
}

func (p *prefixes) search(s *search, text string) {
	i, found := slices.BinarySearch(p.texts, text)
	if !found {
		i--
	}
	for at := p.longest(i, text); at >= 0; at = p.parent[at] {
		s.try(p.rules[at])
	}
}
