package gate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/state"
)

// uncounted is a state that everything can be had of but its counts.
type uncounted struct{ state.Store }

func (uncounted) Allow(context.Context, string, state.Limit, int) (time.Duration, error) {
	return 0, errors.New("the state is away")
}

// TestGuessesWithoutTheState: a gate that cannot count in the state counts by
// itself, half as many as they would be, and whoever knows the password is let
// in all the same.
func TestGuessesWithoutTheState(t *testing.T) {
	t.Parallel()
	g := startAs(t, config(t, registry(t, "main").URL, ""), func(ctx context.Context, o Options) error {
		file, err := configs.Load(o.Path)
		if err != nil {
			return err
		}
		p, err := open(ctx, o, file)
		if err != nil {
			return err
		}
		defer p.close()
		p.store = uncounted{p.store}
		return p.serve(ctx)
	})
	login := func(password string) int {
		pair := base64.StdEncoding.EncodeToString([]byte("dev:" + password))
		status, _, _ := g.get("https", "/auth?service=registry", "Authorization", "Basic "+pair)
		return status
	}
	if got := login("secret"); got != http.StatusOK {
		t.Fatalf("the right password: %d", got)
	}
	answers := make(map[int]int)
	for i := range 40 {
		answers[login(fmt.Sprint("guess", i))]++
	}
	if answers[http.StatusUnauthorized] != 5 || answers[http.StatusTooManyRequests] != 35 {
		t.Errorf("40 guesses are answered with %v, want five times 401, and 429", answers)
	}
	if got := login("secret"); got != http.StatusOK {
		t.Errorf("the right password after the guesses: %d", got)
	}
	if !g.logged("wrong passwords cannot be counted in the state") {
		t.Error("the log says nothing of it")
	}
}
