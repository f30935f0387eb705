package ext

import (
	"bytes"
	"errors"
	"strings"
	"unicode"

	"github.com/regate/regate/authsvc/authn"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 10

var errLong = errors.New("the answer is longer than 64 KiB")

// An output keeps what a program writes to stdout, as long as it is an answer.
type output struct {
	buf  bytes.Buffer
	over bool
	full func() // called when it becomes too much
}

func (o *output) Write(b []byte) (int, error) {
	if o.buf.Len()+len(b) > maxAnswer {
		o.over = true
		o.full()
		return 0, errLong
	}
	return o.buf.Write(b)
}

// details are nil if there is nothing but space.
func (o *output) details() []byte {
	text := bytes.TrimSpace(o.buf.Bytes())
	if len(text) == 0 {
		return nil
	}
	return text
}

// An excerpt keeps the end of what a program writes to stderr: that is where a
// language says what has gone wrong.
type excerpt struct {
	tail []byte
	cut  bool // something was before it
}

const (
	maxTail    = 8 << 10 // what is kept: more than is shown and the longest password together
	maxExcerpt = 1 << 10 // what is shown
)

func (e *excerpt) Write(b []byte) (int, error) {
	e.tail = append(e.tail, b[max(0, len(b)-maxTail):]...)
	e.cut = e.cut || len(b) > maxTail
	if cut := len(e.tail) - maxTail; cut > 0 {
		e.tail, e.cut = append(e.tail[:0], e.tail[cut:]...), true
	}
	return len(b), nil
}

// text is fit for one line of the log, and does not have the secret.
func (e *excerpt) text(secret authn.Secret) string {
	text := string(e.tail)
	if s := secret.Reveal(); s != "" {
		begun := 0
		if e.cut {
			begun = rest(text, s)
		}
		text = hide(text, s, begun)
	}
	text = strings.ToValidUTF8(text[max(0, len(text)-maxExcerpt):], "")
	return strings.Join(strings.FieldsFunc(text, unprintable), " ")
}

// rest is how long an end of the secret is that text begins with.
func rest(text, secret string) int {
	for i := 1; i < len(secret); i++ {
		if strings.HasPrefix(text, secret[i:]) {
			return len(secret) - i
		}
	}
	return 0
}

// hide covers the secret wherever it is in text, also where it overlaps itself,
// and what is before end.
func hide(text, secret string, end int) string {
	var b strings.Builder
	for at := 0; ; at++ {
		i := strings.Index(text[at:], secret)
		if i < 0 {
			b.WriteString(text[end:])
			return b.String()
		}
		if at += i; at >= end {
			b.WriteString(text[end:at] + authn.Secret(secret).String())
		}
		end = at + len(secret)
	}
}

func unprintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
