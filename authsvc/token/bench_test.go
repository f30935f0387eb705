package token

import (
	"fmt"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

var usual = Claims{Subject: "alice", Scope: oci.Scope{{Type: oci.Repository, Name: "team/app", Actions: oci.Pull | oci.Push}}}

func BenchmarkIssue(b *testing.B) {
	i := newBench(b).issuer
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Issue(usual); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newBench(b)
	text := w.issue(b, usual).Text
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.verifier.read(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.verifier.Verify(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("refused", func(b *testing.B) {
		bad := text[:len(text)-10] + "AAAAAAAAAA"
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.verifier.Verify(bad); err == nil {
				b.Fatal("taken")
			}
		}
	})
}

// BenchmarkVerifyRevoked: a request pays nothing for what is revoked, be it much.
func BenchmarkVerifyRevoked(b *testing.B) {
	w := newBench(b)
	of := usual
	of.Family = "0123456789abcd"
	text := w.issue(b, of).Text
	for _, n := range []int{0, 1000, 100_000} {
		w.revokeMany(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.verifier.Verify(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// revokeMany has so many of each kind revoked, as if they had been loaded.
func (b *bench) revokeMany(n int) {
	all := revoked{kindSubject: {}, kindToken: {}, kindFamily: {}}
	for _, ids := range all {
		for i := range n {
			ids[fmt.Sprintf("somebody-%d", i)] = time.Now()
		}
	}
	b.parts.Revoked.live.Store(&all)
}
