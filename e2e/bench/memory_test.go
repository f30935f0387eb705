//go:build bench

package bench

import (
	"fmt"
	"testing"
)

const mebibyte = 1 << 20

// memory is how much more a fresh gate ever has in memory while a layer passes.
func (b *bench) memory(t *testing.T) {
	const size = 2 << 30
	f := b.fresh(t)
	before := f.gate.memory(t, "VmRSS")
	f.gate.forgetPeak(t)
	f.push(t, f.gate, size, true)
	c := f.dial(t, f.gate)
	defer c.Close()
	c.ask(t, f.header("GET", repository+"blobs/"+digest(size), f.gate, ""), 200)
	grown := f.gate.memory(t, "VmHWM") - before
	b.row("memory for a layer of 2 GiB, pushed and pulled", fmt.Sprintf("%.1f MiB (from %.1f)", mebibytes(grown), mebibytes(before)),
		"< 32 MiB", grown < 32*mebibyte)
}

// idle is what a connection costs a fresh gate that has been used and now waits.
func (b *bench) idle(t *testing.T) {
	const connections = 2000
	f := b.fresh(t)
	request := f.header("GET", repository+"manifests/latest", f.gate, "")
	before := f.gate.memory(t, "VmRSS")
	for range connections {
		c := f.dial(t, f.gate)
		defer c.Close()
		c.ask(t, request, 200)
	}
	grown := f.gate.memory(t, "VmRSS") - before
	each := float64(grown) / connections / 1024
	b.row(fmt.Sprintf("memory for each of %d idle connections", connections), fmt.Sprintf("%.1f KiB", each), "< 60 KiB", each < 60)
}

// fresh is a bench with a gate that has only just started and let somebody in.
func (b *bench) fresh(t *testing.T) *bench {
	f := &bench{authority: b.authority, tls: b.tls, sink: b.sink, gate: b.startGate(t).server}
	f.bearer = f.login(t, f.gate, account)
	return f
}

func mebibytes(n int64) float64 { return float64(n) / mebibyte }
