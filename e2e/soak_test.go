//go:build soak

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

const (
	soakWorkers = 4
	soakPause   = 50 * time.Millisecond // of a worker, so that the log stays small
	soakRatio   = 1.25                  // the most that anything may grow by
)

// TestSoak works on a gate for MINUTES, with a reload each second: no request
// fails, and the gate is no larger in the last quarter than it was in the
// second. In the first it warms up.
func TestSoak(t *testing.T) {
	s := startSite(t, modes[2], testbed.Registry3, engines{})
	s.reload(t, "\nauth:\n", "\nauth:\n  login_limits: {exempt: [0.0.0.0/0]}\n") // each round has a wrong password
	config, err := os.ReadFile(s.gate.File)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range soakWorkers {
		w := worker{s.gate, s.gate.CA.HTTP(), fmt.Sprint("team/soak", i)}
		all.Go(func() {
			if err := w.work(stop); err != nil {
				t.Errorf("%s: %v", w.repo, err)
			}
		})
	}
	var seen []vitals
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for end := time.Now().Add(soakTime(t)); time.Now().Before(end) && !t.Failed(); <-tick.C {
		s.rewrite(t, fmt.Sprintf("%s# edit %d\n", config, len(seen)))
		seen = append(seen, s.vitals(t))
	}
	close(stop)
	all.Wait()
	if now := s.metrics(t); now["regate_reload_successful"] != 1 || now[`regate_reloads_total{result="success"}`] < float64(len(seen)/2) {
		t.Errorf("after %d edits: %v successful reloads", len(seen), now[`regate_reloads_total{result="success"}`])
	}
	compareVitals(t, seen)
}

func soakTime(t testing.TB) time.Duration {
	t.Helper()
	minutes, err := strconv.Atoi(os.Getenv("MINUTES"))
	if err != nil || minutes < 1 {
		t.Fatal("MINUTES says how long to work, such as 10")
	}
	return time.Duration(minutes) * time.Minute
}

// vitals are what grows if something is not given back.
type vitals [3]float64

var vitalNames = [3]string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"}

func (s *site) vitals(t testing.TB) vitals {
	t.Helper()
	v, err := s.tryVitals()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tryVitals is vitals of a gate that may be gone.
func (s *site) tryVitals() (v vitals, err error) {
	now, err := s.tryMetrics()
	if err != nil {
		return v, err
	}
	for i, name := range vitalNames {
		if v[i] = now[name]; v[i] == 0 {
			return v, fmt.Errorf("no %s in the metrics", name)
		}
	}
	return v, nil
}

// compareVitals compares the medians of the second and the last quarter.
func compareVitals(t *testing.T, seen []vitals) {
	t.Helper()
	quarter := len(seen) / 4
	if quarter == 0 {
		t.Fatalf("only %d looks", len(seen))
	}
	for i, name := range vitalNames {
		middle := func(some []vitals) float64 {
			var one []float64
			for _, v := range some {
				one = append(one, v[i])
			}
			slices.Sort(one)
			return one[len(one)/2]
		}
		before, after := middle(seen[quarter:2*quarter]), middle(seen[len(seen)-quarter:])
		t.Logf("%s: %.0f, then %.0f", name, before, after)
		if after > before*soakRatio {
			t.Errorf("%s grew from %.0f to %.0f in %d looks", name, before, after, len(seen))
		}
	}
}

// metrics returns all that /metrics says, by name with labels.
func (s *site) metrics(t testing.TB) map[string]float64 {
	t.Helper()
	all, err := s.tryMetrics()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// tryMetrics is metrics of a gate that may be gone.
func (s *site) tryMetrics() (map[string]float64, error) {
	res, err := http.Get(s.gate.Admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	all := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]], _ = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		}
	}
	return all, nil
}

// A worker logs in, pushes and pulls, over connections of its own.
type worker struct {
	gate *testbed.Gate
	http *http.Client
	repo string
}

func (w worker) work(stop <-chan struct{}) error {
	blobs := make([][]byte, 8) // few, since the registry keeps them all
	for i := range blobs {
		blobs[i] = append([]byte(w.repo), noise(i<<17+1)...)
	}
	for i := 0; ; i++ {
		if err := w.round(blobs[i%len(blobs)]); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		select {
		case <-stop:
			return nil
		case <-time.After(soakPause):
		}
	}
}

// round is what a client does with a blob, and one who mistypes the password.
func (w worker) round(blob []byte) error {
	if _, err := w.login("mistyped", 401); err != nil {
		return err
	}
	token, err := w.login(devPassword, 200)
	if err != nil {
		return err
	}
	begun, _, err := w.ask("POST", w.gate.URL+"/v2/"+w.repo+"/blobs/uploads/", token, nil, 202)
	if err != nil {
		return err
	}
	to, err := begun.Location()
	if err != nil {
		return err
	}
	query := to.Query()
	query.Set("digest", digestOf(blob))
	to.RawQuery = query.Encode()
	if _, _, err := w.ask("PUT", to.String(), token, blob, 201); err != nil {
		return err
	}
	_, got, err := w.ask("GET", w.gate.URL+"/v2/"+w.repo+"/blobs/"+digestOf(blob), token, nil, 200)
	if err == nil && !bytes.Equal(got, blob) {
		err = errors.New("another blob came back")
	}
	return err
}

// login returns the header for a token, or nothing if it is to be refused.
func (w worker) login(password string, want int) (authorization string, err error) {
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth("dev", password)
	url := w.gate.URL + "/auth?service=registry&scope=repository:" + w.repo + ":pull,push"
	_, body, err := w.ask("GET", url, basic.Header.Get("Authorization"), nil, want)
	if err != nil || want != 200 {
		return "", err
	}
	var answer struct{ Token string }
	err = json.Unmarshal(body, &answer)
	return "Bearer " + answer.Token, err
}

// ask sends a request and expects the status.
func (w worker) ask(method, url, authorization string, body []byte, want int) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", authorization)
	return w.send(req, want)
}

// send sends a request and expects the status. What there is of an answer is
// returned with an error, too.
func (w worker) send(req *http.Request, want int) (*http.Response, []byte, error) {
	res, err := w.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("%s %s: %s, want %d: %.200s", req.Method, req.URL, res.Status, want, text)
	}
	return res, text, err
}
