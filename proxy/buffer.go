package proxy

import "sync"

// Bodies are copied through buffers that are used again: small ones for what
// is known to be small, such as most manifests.
var (
	small = newBuffers(32 << 10)
	large = newBuffers(256 << 10)
)

// buffers are slices of one size.
type buffers struct {
	size int
	pool sync.Pool
}

func newBuffers(size int) *buffers {
	return &buffers{size: size, pool: sync.Pool{New: func() any {
		b := make([]byte, size)
		return &b
	}}}
}

func (b *buffers) get() *[]byte  { return b.pool.Get().(*[]byte) }
func (b *buffers) put(p *[]byte) { b.pool.Put(p) }
