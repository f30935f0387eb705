package redis

import (
	"bytes"
	"fmt"
	"strconv"
)

// The client makes room for what a server says that it is about to send, and
// goes as deep as that is nested: a server that lies would end the process.
const (
	longestLine = 64 << 10
	longestBulk = 16 << 20 // far more than any record
	mostItems   = 1 << 20  // of an array
	mostNested  = 32       // arrays
)

// A noReply is what a server says that is no Redis, or has gone mad. It has
// nothing to unwrap: the client throws away all but the innermost error.
type noReply string

func (n noReply) Error() string { return fmt.Sprintf("invalid reply: %.100q", string(n)) }

// A framing follows the replies of a server, as they come in, and finds those
// that no server sends (RESP2, and 3 from Sentinels, which the client asks for it:
// https://redis.io/docs/latest/develop/reference/protocol-spec/).
type framing struct {
	line  []byte // the begin of one that is not whole yet
	bulk  int    // bytes of a string that are still to come, with its end
	items []int  // that are still to come, of each array that is open
}

// feed takes what was read, and says what is wrong with it. The framing is of no
// use after that.
func (f *framing) feed(text []byte) error {
	for len(text) > 0 {
		if f.bulk > 0 {
			n := min(f.bulk, len(text))
			text, f.bulk = text[n:], f.bulk-n
			continue
		}
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if len(f.line)+len(line) > longestLine {
			return noReply(f.line)
		}
		f.line = append(f.line, line...)
		if !whole {
			return nil
		}
		text = rest
		if !f.begin(f.line) {
			return noReply(f.line)
		}
		f.line = f.line[:0]
	}
	return nil
}

// begin takes the line with which each reply, and each item of one, begins. It
// reports whether that can be.
func (f *framing) begin(line []byte) bool {
	if len(line) < 2 || line[len(line)-1] != '\r' {
		return false
	}
	length := string(line[1 : len(line)-1])
	switch line[0] {
	case '+', '-', ':', '_', ',', '#', '(':
		f.end()
		return true
	case '$', '!', '=':
		return f.beginBulk(length)
	case '*', '~', '>':
		return f.beginArray(length, 1)
	case '%':
		return f.beginArray(length, 2)
	case '|': // is about the reply that comes after it, and none itself
		if deepest := len(f.items) - 1; deepest >= 0 {
			f.items[deepest]++
		}
		return f.beginArray(length, 2)
	}
	return false
}

func (f *framing) beginBulk(length string) bool {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > longestBulk {
		return false
	}
	if n >= 0 {
		f.bulk = n + len("\r\n")
	}
	f.end()
	return true
}

func (f *framing) beginArray(length string, each int) bool {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > mostItems || len(f.items) == mostNested {
		return false
	}
	if n > 0 {
		f.items = append(f.items, n*each)
		return true
	}
	f.end()
	return true
}

// end is that of an item, and of all that it was the last of.
func (f *framing) end() {
	for i := len(f.items) - 1; i >= 0; i-- {
		if f.items[i]--; f.items[i] > 0 {
			return
		}
		f.items = f.items[:i]
	}
}
