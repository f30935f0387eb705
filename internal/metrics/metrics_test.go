package metrics

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// used is Metrics with every series that there can be.
func used() *Metrics {
	m := New(Build{Version: "1.2.3", Revision: "abc"})
	m.ShowUpstreams(func() []Upstream {
		return []Upstream{{"main", "10.0.0.1:5000", true, 7}, {"main", "10.0.0.2:5000", false, 0}}
	})
	m.ShowCertificates([]string{"dns", "caa"}, func() []Certificate {
		return []Certificate{{"a.example", time.Unix(1_900_000_000, 0), "caa"}, {"b.example", time.Time{}, ""},
			{"c.example", time.Time{}, "dns"}, {"d.example", time.Time{}, "dns"}, {"e.example", time.Unix(1_900_000_000, 0), ""}}
	})
	m.ShowDraining(func() bool { return true })
	m.ShowEnding(func() map[string]int { return map[string]int{"1d": 0, "7d": 2} })
	m.ShowFleet(func() Fleet { return Fleet{Config: "abc", Gates: 3, OtherConfig: 1, OtherRoot: 2} })
	m.ShowConnections(func() map[string]int { return map[string]int{"https": 3, "http": 0} })
	m.Refused("https", "per_network")
	m.RefusedRequest("gate", "per_network")
	m.UpstreamRetry("main", "connect")
	m.UpstreamRetry("main", "connect")
	m.UpstreamResume("main")
	m.MirrorRefused("hub", "rate_limited")
	m.RedirectFollowed("hub", "ok")
	m.ShowLeft(func() []Left { return []Left{{"hub", "registry-1.docker.io", 76}} })
	m.Request("get_blob", 206, 3*time.Second)
	m.Request("get_blob", 200, time.Second)
	m.Request("", 421, time.Millisecond)
	m.Request("get_blob", 499, time.Second)
	m.Request("get_blob", 0, time.Second)
	m.Bytes(Out, 1000)
	m.Bytes(Out, -1)
	m.Token("")
	m.Token("unauthenticated")
	m.Token("unauthenticated")
	m.Reload(time.Unix(1_800_000_000, 500_000_000), nil)
	m.Reload(time.Unix(1_800_000_100, 0), errors.New("misspelt"))
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	got := scrape(t, used())
	for _, want := range []string{
		`regate_requests_total{op="get_blob",status="2xx"} 2`,
		`regate_requests_total{op="none",status="4xx"} 1`,
		`regate_requests_total{op="get_blob",status="499"} 1`,
		`regate_requests_total{op="get_blob",status="none"} 1`,
		`regate_request_duration_seconds_count{op="get_blob"} 4`,
		`regate_upstream_requests_in_flight{endpoint="10.0.0.1:5000",registry="main"} 7`,
		`regate_upstream_requests_in_flight{endpoint="10.0.0.2:5000",registry="main"} 0`,
		`regate_transfer_bytes_total{direction="in"} 0`,
		`regate_transfer_bytes_total{direction="out"} 1000`,
		`regate_tokens_issued_total 1`,
		`regate_tokens_refused_total{reason="unauthenticated"} 2`,
		`regate_reloads_total{result="success"} 1`,
		`regate_reloads_total{result="failure"} 1`,
		`regate_reload_successful 0`,
		`regate_reload_success_timestamp_seconds 1.8000000005e+09`,
		`regate_upstream_up{endpoint="10.0.0.1:5000",registry="main"} 1`,
		`regate_upstream_up{endpoint="10.0.0.2:5000",registry="main"} 0`,
		`regate_certificate_expiry_timestamp_seconds{host="a.example"} 1.9e+09`,
		`regate_certificates_pending{reason="waiting"} 1`,
		`regate_certificates_pending{reason="dns"} 2`,
		`regate_certificates_pending{reason="caa"} 0`,
		`regate_certificate_failing{host="a.example",reason="caa"} 1`,
		`regate_certificate_failing{host="d.example",reason="dns"} 1`,
		`regate_draining 1`,
		`regate_tokens_expiring{within="1d"} 0`,
		`regate_tokens_expiring{within="7d"} 2`,
		`regate_config_info{sha256="abc"} 1`,
		`regate_state_up 1`,
		`regate_fleet_gates 3`,
		`regate_fleet_gates_differing{what="config"} 1`,
		`regate_fleet_gates_differing{what="version"} 0`,
		`regate_fleet_gates_differing{what="token_root"} 2`,
		`regate_connections{listener="https"} 3`,
		`regate_connections{listener="http"} 0`,
		`regate_connections_refused_total{listener="https",reason="per_network"} 1`,
		`regate_requests_refused_total{limit="gate",reason="per_network"} 1`,
		`regate_upstream_retries_total{reason="connect",registry="main"} 2`,
		`regate_upstream_resumes_total{registry="main"} 1`,
		`regate_mirror_refused_total{reason="rate_limited",registry="hub"} 1`,
		`regate_mirror_ratelimit_remaining{endpoint="registry-1.docker.io",registry="hub"} 76`,
		`regate_redirects_followed_total{outcome="ok",registry="hub"} 1`,
		`regate_build_info{goversion="go1.`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	for _, not := range []string{"b.example", `seconds{host="c.example"`, `failing{host="e.example"`} {
		if strings.Contains(got, not) {
			t.Errorf("there is %s", not)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestLint is what promtool check metrics does.
func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, used()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestStatesAreAskedAtEachScrape(t *testing.T) {
	m := New(Build{})
	list := []Upstream{{"old", "a:1", true, 0}}
	m.ShowUpstreams(func() []Upstream { return list })
	if got := scrape(t, m); !strings.Contains(got, `registry="old"`) {
		t.Errorf("upstream is not shown:\n%s", got)
	}
	list = []Upstream{{"new", "a:1", true, 0}}
	if got := scrape(t, m); strings.Contains(got, `registry="old"`) || !strings.Contains(got, `registry="new"`) {
		t.Errorf("what was shown is not the new state:\n%s", got)
	}
}

// TestBrokenStateHidesNoOther shows the same state twice, which is a mistake.
func TestBrokenStateHidesNoOther(t *testing.T) {
	m := New(Build{})
	m.ShowUpstreams(func() []Upstream { return []Upstream{{"r", "a:1", true, 0}, {"r", "a:1", true, 0}} })
	if got := scrape(t, m); !strings.Contains(got, "regate_build_info") {
		t.Errorf("scrape:\n%s", got)
	}
}

func TestInFlight(t *testing.T) {
	m := New(Build{})
	h := m.InFlight(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, scrape(t, m))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Body.String(); !strings.Contains(got, "regate_requests_in_flight 1\n") {
		t.Errorf("while a request is served:\n%s", got)
	}
	if got := scrape(t, m); !strings.Contains(got, "regate_requests_in_flight 0\n") {
		t.Errorf("afterwards:\n%s", got)
	}
}

func TestTwoMetricsDoNotMeet(t *testing.T) {
	a, b := New(Build{}), New(Build{})
	a.Token("")
	if got := scrape(t, b); !strings.Contains(got, "regate_tokens_issued_total 0\n") {
		t.Errorf("another process's tokens are counted:\n%s", got)
	}
}
