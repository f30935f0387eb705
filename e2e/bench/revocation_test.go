//go:build bench

package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// revocation is how long after one gate was told that a token is to be refused
// all others refuse it.
func (f *fleet) revocation(t *testing.T) {
	const times = 20
	var took []time.Duration
	for range times {
		took = append(took, f.revoke(t))
	}
	slices.Sort(took)
	slowest := took[times-1]
	f.row(fmt.Sprintf("a token revoked at one gate is refused by the other %d: half of %d, all", fleetSize-1, times),
		fmt.Sprintf("within %.1f ms, %.1f ms", milli(median(took)), milli(slowest)), "< 5 s", slowest < 5*time.Second)
}

// revoke revokes a token at the first gate, and returns when the last of the
// others has first refused it.
func (f *fleet) revoke(t *testing.T) time.Duration {
	t.Helper()
	user := &bench{tls: f.tls, bearer: f.login(t, f.gate, account)}
	others := make([]*conn, len(f.single)-1)
	requests := make([][]byte, len(others))
	for i, s := range f.single[1:] {
		others[i] = f.dial(t, s)
		defer others[i].Close()
		requests[i] = user.header("GET", repository+"manifests/latest", s, "")
		others[i].ask(t, requests[i], http.StatusOK)
	}
	began := time.Now()
	told := make(chan error, 1)
	go func() { told <- tellRevoked(f.gates[0], tokenID(user.bearer)) }()
	together(len(others), func(i int) {
		for others[i].ask(t, requests[i], anything).StatusCode != http.StatusUnauthorized {
			if time.Since(began) > patience {
				t.Fatal("the token is good for ever")
			}
		}
	})
	took := time.Since(began)
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	return took
}

// tellRevoked does what the command regate revoke does, without its start.
func tellRevoked(g *testbed.Gate, id string) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(g.StatePath(), "control.sock"))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: patience}
	body, err := json.Marshal(map[string]string{"token": id})
	if err != nil {
		return err
	}
	res, err := client.Post("http://gate/revoke", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return err
}

// tokenID is the claim jti of a token.
func tokenID(token string) string {
	parts := strings.Split(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(parts[len(parts)/2])
	var claims struct{ Jti string }
	_ = json.Unmarshal(text, &claims) // a token without one is not refused
	return claims.Jti
}

func milli(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
