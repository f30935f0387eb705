package dockerauth

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// A page is the text of the result while it is written.
type page struct {
	b      strings.Builder
	indent string
}

func (p *page) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text != "" {
		text = p.indent + text
	}
	p.b.WriteString(text + "\n")
}

// under writes a key and, below it, what body writes.
func (p *page) under(key string, body func()) {
	p.line("%s:", key)
	p.in("  ", body)
}

// off is under for what is not to count yet.
func (p *page) off(key string, body func()) {
	p.line("#%s:", key)
	p.in("  #", body)
}

func (p *page) in(more string, body func()) {
	was := p.indent
	p.indent += more
	body()
	p.indent = was
}

// note writes a comment, in lines of a readable length.
func (p *page) note(format string, args ...any) {
	const width = 98
	var line string
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		if len(p.indent)+len(line)+len(word) > width && line != "" {
			p.line("#%s", line)
			line = ""
		}
		line += " " + printable(word)
	}
	p.line("#%s", line)
}

// carry writes a comment of the source.
func (p *page) carry(comment string) {
	for text := range strings.Lines(comment) {
		if text = strings.TrimSpace(text); strings.HasPrefix(text, "#") {
			p.line("%s", printable(text))
		}
	}
}

// printable is text that stays within its line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// quoted is a text in double quotes, whose escapes are YAML's as well.
func quoted(s string) string { return strconv.Quote(s) }

func quotedAll(texts []string) string {
	q := make([]string, len(texts))
	for i, s := range texts {
		q[i] = quoted(s)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// sayable reports whether a text can stand in the gate's configuration, where
// ${env:NAME} is an error except in secrets.
func sayable(s string) bool { return !strings.Contains(s, "${env:") }
