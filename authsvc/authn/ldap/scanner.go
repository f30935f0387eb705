package ldap

// A scanner counts the elements of BER (X.690 8.1) that pass by. It does not
// look at how they are nested: behind the head of one that is constructed there
// is the next head, as there is behind the contents of one that is primitive.
type scanner struct {
	at          state
	constructed bool
	length      uint64 // so far, in a length; of what remains, in contents
	octets      int    // of the length that are still to come
}

type state int

const (
	identifier state = iota
	longTag
	shortLength
	longLength
	contents
)

// maxLength bounds the length of a part. It is refused before anybody who reads
// it prepares for that much.
const maxLength = maxAnswer

// scan returns how many elements begin in p.
func (s *scanner) scan(p []byte) (elements int64, err error) {
	for len(p) > 0 {
		if s.at == contents {
			n := min(s.length, uint64(len(p)))
			p = p[n:]
			if s.length -= n; s.length == 0 {
				s.at = identifier
			}
			continue
		}
		if s.at == identifier {
			elements++
		}
		if err := s.head(p[0]); err != nil {
			return elements, err
		}
		p = p[1:]
	}
	return elements, nil
}

// head reads an octet of an element before its contents.
func (s *scanner) head(b byte) error {
	switch s.at {
	case identifier:
		s.constructed = b&0x20 != 0
		s.at = shortLength
		if b&0x1f == 0x1f {
			s.at = longTag
		}
	case longTag:
		if b&0x80 == 0 {
			s.at = shortLength
		}
	case shortLength:
		s.length, s.octets = uint64(b), 0
		switch {
		case b == 0x80: // which LDAP does not have (RFC 4511 5.1)
			return errEndless
		case b > 0x80:
			s.length, s.octets, s.at = 0, int(b&0x7f), longLength
			return nil
		}
		return s.measured()
	case longLength:
		if s.length = s.length<<8 | uint64(b); s.length > maxLength {
			return errOverlong
		}
		if s.octets--; s.octets == 0 {
			return s.measured()
		}
	}
	return nil
}

// measured goes on to what is behind the length.
func (s *scanner) measured() error {
	s.at = contents
	if s.constructed || s.length == 0 {
		s.at = identifier
	}
	return nil
}
