//go:build redis

package gate

import (
	"net/http"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/state/redis"
)

// TestWhoWritesToRedisIsNobody: somebody who can write there, because others use
// it as well, or who is on the way to it, has what this program makes of a
// record, but not the key. He gets no token of anybody's.
func TestWhoWritesToRedisIsNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.start()
	st, err := redis.Open(t.Context(), redis.Config{Addrs: []string{f.redis.Addr}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	book := secret.New(st, nil, nil)
	made := secret.Token{Owner: "dev", Method: "users", Name: "forged", Service: "registry"}
	text, _, err := book.CreateRefresh(t.Context(), made, secret.Terms{Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if tok, status := g.refresh(text.Reveal()); tok != "" || status == http.StatusOK {
		t.Errorf("a refresh token that he made: %d", status)
	}
	made.Kind = secret.Personal
	if text, _, err = book.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	if got := g.guess(text.Reveal()); got == http.StatusOK {
		t.Errorf("a personal token that he made: %d", got)
	}
}
