package configs

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

var (
	yamlError     = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	fromNought    = regexp.MustCompile(`^did not find expected (<document start>|node content|key|'-'|',')`)
)

// plainly says what the parser's words, by which these begin, mostly mean to
// somebody who has written a configuration.
var plainly = []struct{ said, means string }{
	{"mapping values are not allowed", "a \": \" where no key can be: it is the second one in its line (quote a value that has one), or the line is indented too far, or the one before it has none"},
	{"mapping keys are not allowed", "a key where none can stand; begin it on a line of its own"},
	{"block sequence entries are not allowed", "a list cannot begin here; begin it on a line of its own"},
	{"could not find expected ':'", "a key without \": \", or with no space behind the colon; or text that is not below its key"},
	{"did not find expected ',' or ']'", "a list that [ begins has no ] or lacks a comma; it begins here, or just before"},
	{"did not find expected ',' or '}'", "a mapping that { begins has no } or lacks a comma; it begins here, or just before"},
	{"did not find expected '-'", "the lines of this list are not indented alike, or one has no \"- \""},
	{"did not find expected key", "the keys of this mapping are not indented alike; or a quoted value goes on behind its quote"},
	{"did not find expected node content", "a value is missing here, or begins with a character that must be quoted"},
	{"did not find expected <document start>", "this is not indented like the first line, or a bracket before it is one too many"},
	{"did not find expected comment or line break", "something follows | or > in its line"},
	{"found character that cannot start any token", "a value begins with a character that must be quoted, such as @, ` or %; or a line with a tab"},
	{"found a tab character", "a tab in the indentation; YAML wants spaces"},
	{"found unexpected end of stream", "a quote that is not closed"},
	{"found unexpected document indicator", "a quote that is not closed before --- or ..."},
	{"found unknown escape character", "a \\ in double quotes begins an escape, and this is none; use single quotes"},
	{"did not find expected hexdecimal number", "a \\ in double quotes begins an escape, and this is none; use single quotes"},
	{"exceeded max depth", "lists and mappings are nested too deeply"},
}

// SyntaxError takes line and message out of an error of the parser, which
// counts lines from 0 for some of its messages and leaves out line 0. It never
// repeats an anchor's name: a password that begins with "*" and stands there
// without quotes looks like one.
func SyntaxError(data []byte, err error) (line int, msg string) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return 1, "cannot be read as YAML"
	}
	line, _ = strconv.Atoi(m[1])
	msg = m[2]
	if a := unknownAnchor.FindStringSubmatch(msg); a != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+a[1]))
		line = 1 + bytes.Count(before, []byte("\n"))
		return line, "a value that begins with * stands for an anchor, and there is no such anchor; quote it if it is text"
	}
	if fromNought.MatchString(msg) {
		line++
	}
	return min(max(line, 1), 1+bytes.Count(data, []byte("\n"))), plain(msg)
}

// plain is msg in words of ours, if there are any.
func plain(msg string) string {
	for _, p := range plainly {
		if strings.HasPrefix(msg, p.said) {
			return p.means
		}
	}
	return "cannot be read as YAML: " + msg
}
