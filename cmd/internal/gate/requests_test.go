package gate

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// TestRequestsAtOnce has as many requests wait in the registry as one network
// may have, and sees whose limit the next one meets. Others are not concerned.
func TestRequestsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name, old, with string
		most            int
		counted         string
	}{
		{"of the gate", "grace: 0s", "grace: 0s, limits: {requests: 4}", 2, `{limit="gate",reason="per_network"}`},
		{"of a registry", "main: {", "main: {max_requests: 4, ", 2, `{limit="registry",reason="per_network"}`},
		{"where all are one network", "grace: 0s", "grace: 0s, limits: {requests: 2, connections: 64, per_network: 64}", 2, `{limit="gate",reason="total"}`},
		{"behind a balancer", "grace: 0s", "grace: 0s, trusted_proxies: [127.0.0.0/8], limits: {requests: 4}", 2, `{limit="gate",reason="per_network"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			held := make(chan struct{})
			hold := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				if strings.HasSuffix(r.URL.Path, "/held") {
					<-held
				}
			}))
			defer hold.Close()
			defer close(held)
			g := start(t, changed(t, config(t, hold.URL, ""), tt.old, tt.with))
			bearer := "Bearer " + g.token("repository:team/app:pull")
			for range tt.most {
				g.begin("/v2/team/app/manifests/held", bearer, "192.0.2.1")
			}
			status, _, header := g.get("https", "/v2/team/app/manifests/1", "Authorization", bearer, "X-Forwarded-For", "192.0.2.1")
			if status != http.StatusTooManyRequests || header.Get("Retry-After") != "1" {
				t.Errorf("one too many: %d, Retry-After %q", status, header.Get("Retry-After"))
			}
			if _, metrics, _ := g.get("admin", "/metrics"); !strings.Contains(metrics, "regate_requests_refused_total"+tt.counted+" 1\n") {
				t.Errorf("the metrics do not have %s", tt.counted)
			}
			if !strings.Contains(tt.with, "trusted_proxies") {
				return
			}
			if status, _, _ := g.get("https", "/v2/team/app/manifests/1", "Authorization", bearer, "X-Forwarded-For", "198.51.100.1"); status != http.StatusOK {
				t.Errorf("from another network: %d", status)
			}
		})
	}
}

// begin asks for what does not end before the test.
func (g *running) begin(path, auth, client string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, "https://"+g.Addrs["https"]+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", auth)
	r.Header.Set("X-Forwarded-For", client)
	res, err := g.https.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		g.t.Fatalf("%s: %s", path, res.Status)
	}
	g.t.Cleanup(func() { _ = res.Body.Close() })
}

// TestManyFieldsAreRefused on all listeners of clients, and for the health.
func TestManyFieldsAreRefused(t *testing.T) {
	g := start(t, config(t, registry(t, "first").URL, ""))
	var many []string
	for i := range 200 {
		many = append(many, "X-"+strconv.Itoa(i), "")
	}
	for _, at := range [][2]string{{"https", "/v2/"}, {"https", "/healthz"}, {"https", "/auth"}, {"http", "/"}} {
		if status, _, _ := g.get(at[0], at[1], many...); status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s %s: %d, want 431", at[0], at[1], status)
		}
	}
}
