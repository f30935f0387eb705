//go:build bench

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// crowdCost is the cost of the hashes of those who come in a crowd: high, so
// that a comparison stands out from all the rest.
const crowdCost = 12

// form is the body of a login by password (distribution, "Token authentication
// using OAuth2").
func form(account, password string) string {
	return url.Values{
		"grant_type": {"password"}, "service": {"registry"}, "client_id": {"bench"},
		"username": {account}, "password": {password},
		"scope": {"repository:team/app:pull,push"},
	}.Encode()
}

// loginRequest is a whole login, body included.
func (b *bench) loginRequest(account string) []byte {
	body := form(account, password)
	return fmt.Appendf(nil, "POST /auth HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", b.gate.host, len(body), body)
}

// login returns a token.
func (b *bench) login(t *testing.T, gate *server, account string) string {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: b.tls}, Timeout: patience}
	defer client.CloseIdleConnections()
	res, err := client.Post("https://"+gate.host+"/auth", "application/x-www-form-urlencoded", strings.NewReader(form(account, password)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		t.Fatalf("%s: %s", res.Status, text)
	}
	return answer.Token
}

// token is the same login again and again, each for a fresh token.
func (b *bench) token(t *testing.T) {
	costs := make([]time.Duration, b.rounds)
	for i := range costs {
		costs[i] = b.repeatedLogin(t)
	}
	b.row("token for a repeated login (no bcrypt, one ES256 signature)", micro(median(costs)), "< 150 µs", median(costs) < 150*time.Microsecond)
}

func (b *bench) repeatedLogin(t *testing.T) time.Duration {
	const clients, each = 8, 1000
	request := b.loginRequest(account)
	cost := b.gate.spent(t, func() {
		together(clients, func(int) {
			c := b.dial(t, b.gate)
			defer c.Close()
			for range each {
				c.ask(t, request, 200)
			}
		})
	})
	t.Logf("%v", cost/(clients*each))
	return cost / (clients * each)
}

// logins has a user log in from everywhere at once who has not done so since the
// gate was started, beside one who does it alone. What a token costs anyway is
// not counted.
func (b *bench) logins(t *testing.T) {
	const crowd = 200
	each := b.repeatedLogin(t)
	one := b.firstLogins(t, 1, "second") - each
	all := b.firstLogins(t, crowd, "first") - crowd*each
	times := float64(all) / float64(one)
	b.row(fmt.Sprintf("bcrypt comparisons of %d first logins of one user at once", crowd),
		fmt.Sprintf("%.1f (%v; one alone: %v)", times, all.Round(time.Millisecond), one.Round(time.Millisecond)), "1", times < 1.5)
}

// firstLogins logs a user in n times at once, over connections that are there.
func (b *bench) firstLogins(t *testing.T, n int, who string) time.Duration {
	request := b.loginRequest(who)
	clients := make([]*conn, n)
	for i := range clients {
		clients[i] = b.dial(t, b.gate)
		defer clients[i].Close()
		clients[i].ask(t, b.loginRequest(account), 200)
	}
	return b.gate.spent(t, func() {
		together(n, func(i int) { clients[i].ask(t, request, 200) })
	})
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
