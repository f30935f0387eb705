package acl

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"regexp/syntax"
	"strings"
)

// A pattern is one condition's text, compiled: exactly one of glob, re and
// template is in use.
type pattern struct {
	written  string
	regex    bool
	parts    []part
	heads    heads
	loose    bool           // a regex that may match in the middle
	groups   int            // of a regex
	glob     glob           // no variables
	re       *regexp.Regexp // no variables
	template template
}

// isRegex is docker_auth's rule: "//" is a glob.
func isRegex(s string) bool { return len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' }

// maxPattern is the longest text of a pattern. What is longer takes seconds to
// compile, for each rule that has it.
const maxPattern = 32 << 10

func compilePattern(s string) (pattern, error) {
	p := pattern{written: s, regex: isRegex(s)}
	if len(s) > maxPattern {
		return p, fmt.Errorf("is longer than %d KiB: write several rules", maxPattern>>10)
	}
	if p.regex {
		s = s[1 : len(s)-1]
	}
	var err error
	if p.parts, err = split(s); err != nil {
		return p, err
	}
	switch {
	case p.regex && hasVariables(p.parts):
		return p, p.compileRegexTemplate()
	case p.regex:
		return p, p.compileRegex(s)
	case hasVariables(p.parts):
		return p, p.compileGlobTemplate()
	}
	if p.glob, err = parseGlob(s); err != nil {
		return p, errMalformed(s)
	}
	p.heads = globHeads(p.glob)
	return p, nil
}

func errMalformed(s string) error {
	return fmt.Errorf("glob %q is malformed: [ without ], an empty class, or \\ at the end", s)
}

func (p *pattern) compileRegex(body string) error {
	tree, err := syntax.Parse(body, syntax.Perl)
	if err != nil {
		return notRegex(err)
	}
	if p.re, err = regexp.Compile(body); err != nil {
		return notRegex(err)
	}
	p.heads, p.loose, p.groups = regexHeads(tree), loose(tree), p.re.NumSubexp()
	return nil
}

func notRegex(err error) error {
	var syn *syntax.Error
	if errors.As(err, &syn) {
		return fmt.Errorf("not a regex: %s: %q", syn.Code, syn.Expr)
	}
	return fmt.Errorf("not a regex: %v", err)
}

// compileGlobTemplate wants each text between variables to be a glob of its
// own, so that a variable is neither in a class nor escaped.
func (p *pattern) compileGlobTemplate() error {
	p.template = newTemplate(p.parts)
	p.template.globs = make([]glob, len(p.parts))
	for i, part := range p.parts {
		if part.kind != plainText {
			continue
		}
		if _, err := path.Match(part.text, ""); err != nil {
			return errMalformed(part.text)
		}
		p.template.globs[i], _ = parseGlob(part.text)
	}
	if first := p.template.globs[0]; len(first) > 0 && first[0].kind == opText {
		p.heads = heads{texts: []string{first[0].text}}
	}
	return nil
}

// compileRegexTemplate parses the regex with a named group in the place of
// each variable, which shows where in it they stand.
func (p *pattern) compileRegexTemplate() error {
	tree, err := syntax.Parse(probe(p.parts), syntax.Perl)
	if err != nil {
		return notRegex(err)
	}
	places := findVariables(tree)
	for i, part := range p.parts {
		if part.kind == plainText {
			continue
		}
		if _, found := places[i]; !found {
			return errors.New(`a variable cannot stand in […] or \Q…\E of a regex`)
		}
		if i+1 < len(p.parts) && repeats(p.parts[i+1]) {
			return errors.New("what repeats a variable would repeat its last letter only; write (?:${…}) for the whole of it")
		}
	}
	p.heads, p.loose = regexHeads(tree), loose(tree)
	p.groups = tree.MaxCap() - len(places)
	p.template = newRegexTemplate(p.parts, tree, places)
	return nil
}

// repeats reports whether a part begins with what repeats the part before it.
func repeats(p part) bool {
	return p.kind == plainText && strings.IndexByte("*+?{", p.text[0]) >= 0
}

// verdict is what is known of a rule or a condition.
type verdict uint8

const (
	no verdict = iota
	yes
	// undecided stands for a condition with too many combinations of labels
	// to try. A rule with one grants nothing, and neither do those after it.
	undecided
)

func verdictOf(ok bool) verdict {
	if ok {
		return yes
	}
	return no
}

// match reports whether s, which is a field or a label of q, fulfils p. The
// rule is the one that p belongs to.
func (p *pattern) match(s string, q *query, r *rule) verdict {
	switch {
	case p.re != nil:
		return verdictOf(p.re.MatchString(s))
	case p.hasVariables():
		return p.template.match(s, q, r)
	}
	return verdictOf(p.glob.match(s))
}
