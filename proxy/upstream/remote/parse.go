package remote

import "strings"

// An ask is one challenge of a WWW-Authenticate line (RFC 9110 11.6.1).
type ask struct {
	scheme string
	params map[string]string // keys in lower case
}

// parseChallenges reads a line, which may hold several. What cannot be read ends
// it: the rest is taken for nothing.
func parseChallenges(line string) (all []ask) {
	s := scanner(line)
	for {
		s.skip(" \t,")
		word := s.word()
		if word == "" {
			return all
		}
		if value, ok := s.value(); !ok {
			all = append(all, ask{word, map[string]string{}})
		} else if n := len(all); n > 0 {
			key := strings.ToLower(word)
			if _, twice := all[n-1].params[key]; twice {
				return all[:n-1] // one of them is not for us
			}
			all[n-1].params[key] = value
		} else {
			return nil // a parameter without a scheme
		}
	}
}

// A scanner is what is left of a line.
type scanner string

func (s *scanner) skip(bytes string) { *s = scanner(strings.TrimLeft(string(*s), bytes)) }

// word takes a token (RFC 9110 5.6.2).
func (s *scanner) word() string {
	n := 0
	for n < len(*s) && isTokenByte((*s)[n]) {
		n++
	}
	word := string((*s)[:n])
	*s = (*s)[n:]
	return word
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0
}

// value takes what follows a key: "=", and a token or a quoted string. ok is
// false if there is no "=", so that the word before was a scheme.
func (s *scanner) value() (value string, ok bool) {
	rest := *s
	rest.skip(" \t")
	if !strings.HasPrefix(string(rest), "=") {
		return "", false
	}
	rest = rest[1:]
	rest.skip(" \t")
	*s = rest
	if !strings.HasPrefix(string(rest), `"`) {
		return s.word(), true
	}
	return s.quoted(), true
}

// quoted takes a quoted string. One that does not end takes the rest with it,
// and is none.
func (s *scanner) quoted() string {
	var b strings.Builder
	for i := 1; i < len(*s); i++ {
		switch c := (*s)[i]; c {
		case '"':
			*s = (*s)[i+1:]
			return b.String()
		case '\\':
			i++
			if i < len(*s) {
				b.WriteByte((*s)[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	*s = ""
	return ""
}
