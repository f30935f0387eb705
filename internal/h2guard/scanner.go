package h2guard

// What the guard knows of frames (RFC 9113 3.4, 4.1, 6).
const (
	prefaceLen = 24
	headerLen  = 9

	data         = 0x0
	headers      = 0x1
	rstStream    = 0x3
	windowUpdate = 0x8
	continuation = 0x9

	endStream  = 0x1 // flags of data
	padded     = 0x8
	endHeaders = 0x4 // of continuation
)

// A frame is what its header says.
type frame struct {
	kind, flags byte
	length      int
}

func (f frame) has(flag byte) bool { return f.flags&flag != 0 }

// A scanner finds where frames begin in what comes in pieces.
type scanner struct {
	skip int // bytes before the next frame
	head [headerLen]byte
	have int // bytes of head
}

// next takes bytes up to the end of the next frame's header, and returns the
// rest. begun is false if there is no such end.
func (s *scanner) next(p []byte) (rest []byte, begun bool) {
	n := min(s.skip, len(p))
	s.skip, p = s.skip-n, p[n:]
	if s.skip > 0 {
		return nil, false
	}
	n = copy(s.head[s.have:], p)
	s.have += n
	if s.have < headerLen {
		return nil, false
	}
	s.have, s.skip = 0, s.frame().length
	return p[n:], true
}

// frame is the one whose header has been read.
func (s *scanner) frame() frame {
	h := s.head
	return frame{kind: h[3], flags: h[4], length: int(h[0])<<16 | int(h[1])<<8 | int(h[2])}
}
