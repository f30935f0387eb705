package proxy

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/internal/oci"
)

func randomText(r *rand.Rand, most int) string {
	text := make([]byte, r.IntN(most))
	for i := range text {
		text[i] = "ab/|\x00é"[r.IntN(7)]
	}
	return string(text)
}

func randomSession(r *rand.Rand) session {
	return session{randomText(r, 8), randomText(r, 8), randomText(r, 8), randomText(r, 8)}
}

// TestTicketIsForOneSession seals tickets of random sessions, whose fields are
// short and made of few bytes so that one often runs into the next, and opens
// them for others.
func TestTicketIsForOneSession(t *testing.T) {
	t.Parallel()
	u := Uploads{}.withDefaults()
	r := rand.New(rand.NewPCG(7, 7))
	for range 20_000 {
		s, other := randomSession(r), randomSession(r)
		want := ticket{backend: randomText(r, 16)}
		if r.IntN(4) > 0 {
			want.expires = time.Unix(1+r.Int64N(1<<40), 0)
		}
		text := u.seal(s, want)
		if got, ok := u.open(s, text); !ok || got != want {
			t.Fatalf("open(seal(%q, %v)) = %v, %v", s, want, got, ok)
		}
		if _, ok := u.open(other, text); ok != (other == s) {
			t.Fatalf("the ticket of %q is taken for %q", s, other)
		}
	}
}

// TestChangedTicket flips each bit of the bytes, and puts each character in
// each place of the text.
func TestChangedTicket(t *testing.T) {
	t.Parallel()
	u := Uploads{}.withDefaults()
	s := session{"ann", "main", "team/app", someUpload}
	text := u.seal(s, ticket{"0123456789abcdef", time.Unix(1_800_000_000, 0)})
	refused := func(changed string) {
		t.Helper()
		if _, ok := u.open(s, changed); ok && changed != text {
			t.Errorf("taken: %q", changed)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		refused(base64.RawURLEncoding.EncodeToString(raw))
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for i := range len(text) {
		for c := range 256 {
			refused(text[:i] + string([]byte{byte(c)}) + text[i+1:])
			refused(text[:i] + string([]byte{byte(c)}) + text[i:])
		}
		refused(text[:i])
		refused(text[i+1:])
	}
	for _, more := range []string{"=", "==", "A", "\n", "\r\n", text, strings.Repeat("A", 1<<20)} {
		refused(text + more)
		refused(more + text)
	}
	if _, ok := (Uploads{}).withDefaults().open(s, text); ok {
		t.Error("taken with another key")
	}
}

// FuzzTicket opens what nobody has sealed.
func FuzzTicket(f *testing.F) {
	u := Uploads{Grace: time.Hour}.withDefaults()
	f.Add(u.seal(session{"ann", "main", "team/app", someUpload}, ticket{"a", time.Unix(1_800_000_000, 0)}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := u.open(session{"eve", "main", "team/app", someUpload}, text); ok {
			t.Errorf("taken: %q", text)
		}
		if g := u.grace(oci.Request{Upload: someUpload, Ticket: text}, time.Now()); g != 0 && g != u.Grace {
			t.Errorf("grace %v", g)
		}
	})
}

func BenchmarkTicket(b *testing.B) {
	u := Uploads{}.withDefaults()
	s, t := session{"ann", "main", "team/app", someUpload}, ticket{"0123456789abcdef", time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := u.open(s, u.seal(s, t)); !ok {
			b.Fatal("refused")
		}
	}
}
