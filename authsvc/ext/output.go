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
type excerpt struct{ tail []byte }

const (
	maxTail    = 8 << 10 // what is kept: more than is shown and the longest password together
	maxExcerpt = 1 << 10 // what is shown
)

func (e *excerpt) Write(b []byte) (int, error) {
	e.tail = append(e.tail, b[max(0, len(b)-maxTail):]...)
	if cut := len(e.tail) - maxTail; cut > 0 {
		e.tail = append(e.tail[:0], e.tail[cut:]...)
	}
	return len(b), nil
}

// text is fit for one line of the log, and does not have the secret.
func (e *excerpt) text(secret authn.Secret) string {
	text := string(e.tail)
	if s := secret.Reveal(); s != "" {
		text = strings.ReplaceAll(text, s, secret.String())
	}
	text = strings.ToValidUTF8(text[max(0, len(text)-maxExcerpt):], "")
	return strings.Join(strings.FieldsFunc(text, unprintable), " ")
}

func unprintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
