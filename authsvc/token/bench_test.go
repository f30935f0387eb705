package token

import (
	"testing"

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
