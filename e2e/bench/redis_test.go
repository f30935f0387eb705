//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// commands is what Redis is asked for what clients do.
func (f *fleet) commands(t *testing.T) {
	c := f.dial(t, f.gate)
	defer c.Close()
	docker := f.dockerLogin(t)
	refresh := f.refreshRequest(docker.Refresh)
	for _, part := range []struct {
		name    string
		times   int
		request func(i int) []byte
		most    float64
	}{
		{"GET of a manifest", 500, func(int) []byte { return f.header("GET", repository+"manifests/latest", f.gate, "") }, 0},
		{"login with a password that is remembered", 500, func(int) []byte { return f.loginRequest(account) }, 0},
		{"login with one that is looked at", newcomers, func(i int) []byte { return f.loginRequest(newcomer(i)) }, 4},
		{"refresh", 500, func(int) []byte { return refresh }, 1},
	} {
		sum := f.asked(t, func() {
			for i := range part.times {
				c.ask(t, part.request(i), http.StatusOK)
			}
		})
		f.tell(t, part.name, float64(sum)/float64(part.times), part.most)
	}
	const times = 5
	sum := f.asked(t, func() {
		for range times {
			f.dockerLogin(t)
		}
	})
	f.tell(t, fmt.Sprintf("docker login of an account with 1 to %d others", times), float64(sum)/times, 3+(times+1)/2)
}

func (f *fleet) tell(t *testing.T, what string, each, most float64) {
	const own = 0.25 // what the gates ask for themselves meanwhile
	f.row("commands to Redis for a "+what, fmt.Sprintf("%.2f", each), fmt.Sprintf("≤ %v", most), each <= most+own)
}

// asked returns how many commands the gates gave Redis while do ran. What
// scripts do within it is not counted.
func (f *fleet) asked(t *testing.T, do func()) (sum int) {
	t.Helper()
	monitor, other := f.redisConn(t), f.redisConn(t)
	defer monitor.Close()
	defer other.Close()
	r := bufio.NewReader(monitor)
	_, _ = io.WriteString(monitor, "MONITOR\r\n")
	if line, err := r.ReadString('\n'); err != nil || line != "+OK\r\n" {
		t.Fatalf("MONITOR: %q, %v", line, err)
	}
	do()
	_, _ = io.WriteString(other, "ECHO over\r\n")
	counts := make(map[string]int)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"ECHO" "over"`) {
			break
		}
		if _, command, ok := strings.Cut(line, `] "`); ok && !strings.Contains(line, " lua] ") {
			command, _, _ = strings.Cut(command, `"`)
			counts[strings.ToLower(command)]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %d", name, counts[name])
		sum += counts[name]
	}
	return sum
}

func (f *fleet) redisConn(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.redis.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// A login is what docker has after docker login.
type login struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// dockerLogin is docker login.
func (f *fleet) dockerLogin(t *testing.T) (l login) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: f.tls}, Timeout: patience}
	defer client.CloseIdleConnections()
	body := form(account, password) + "&access_type=offline"
	res, err := client.Post("https://"+f.gate.host+"/auth", "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &l); err != nil || l.Access == "" || l.Refresh == "" {
		t.Fatalf("%s: %s", res.Status, text)
	}
	return l
}

// refreshRequest asks for a token as docker does.
func (f *fleet) refreshRequest(token string) []byte {
	body := url.Values{
		"grant_type": {"refresh_token"}, "service": {"registry"}, "client_id": {"bench"},
		"refresh_token": {token}, "scope": {"repository:team/app:pull,push"},
	}.Encode()
	var r bytes.Buffer
	fmt.Fprintf(&r, "POST /auth HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", f.gate.host, len(body), body)
	return r.Bytes()
}
