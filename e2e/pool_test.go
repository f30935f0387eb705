package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// A cluster is a gate in front of several registries with one store.
type cluster struct {
	*site
	replicas []*testbed.Registry
	urls     []string // of the lines to them, quoted
	store    string
	keys     string // more of the entry under registries
	rules    string
}

// startCluster starts n registries and their gate, whose entry under
// registries has more keys. It reaches them by lines, where there are some.
func startCluster(t testing.TB, n int, more string, lines func(addr string) string) *cluster {
	t.Helper()
	c := &cluster{
		site: &site{gate: testbed.NewGate(t, testbed.NewCA(t))}, store: filepath.Join(testbed.Dir(t), "store"),
		keys: more, rules: rules(t),
	}
	for i := range n {
		r := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Versions[i%2], Store: c.store})
		c.replicas = append(c.replicas, r)
		c.urls = append(c.urls, fmt.Sprintf("%q", "http://"+lines(r.Addr)))
	}
	c.configure(t, n)
	c.gate.Start(t)
	return c
}

// configure tells the gate of the first n registries.
func (c *cluster) configure(t testing.TB, n int) {
	t.Helper()
	c.gate.Configure(t, fmt.Sprintf("registries: {main: {upstreams: [%s], %s}}%s", strings.Join(c.urls[:n], ", "), c.keys, c.rules))
}

// straight is a line without anything between.
func straight(addr string) string { return addr }

// kill ends a registry as if its machine had lost power.
func (c *cluster) kill(t testing.TB, i int) {
	t.Helper()
	if err := c.replicas[i].Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.replicas[i].Done()
}

// revive starts another in the place of one that was killed.
func (c *cluster) revive(t testing.TB, i int) {
	t.Helper()
	c.replicas[i] = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Versions[i%2], Store: c.store, Addr: c.replicas[i].Addr})
}

// metric is the value of a metric of the gate, with labels as it writes them;
// "" if there is none yet.
func (c *cluster) metric(t testing.TB, series string) string {
	t.Helper()
	res, err := http.Get(c.gate.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+series+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func (c *cluster) up(t testing.TB, i int) string {
	t.Helper()
	return c.metric(t, fmt.Sprintf(`regate_upstream_up{endpoint=%q,registry="main"}`, c.replicas[i].Addr))
}

// A puller pulls and pushes as scripts do, without a retry of its own.
type puller struct {
	client *http.Client
	token  string
	base   string // of the repository
}

// newPuller is one of a repository. Each has connections of its own.
func (c *cluster) newPuller(t testing.TB, repo string) puller {
	t.Helper()
	return puller{c.gate.CA.HTTP(), c.token(t, "admin", adminPassword, "repository:"+repo+":pull,push"), c.gate.URL + "/v2/" + repo}
}

// send returns the body of an answer, if its status is as wanted.
func (p puller) send(method, url, media string, body []byte, want int) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Accept", ociManifest)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("%s %s: %s %s", method, req.URL.Path, res.Status, text)
	}
	return res, text, err
}

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

// pull gets a manifest by its tag, and the blob that is its config.
func (p puller) pull(tag string) error {
	_, text, err := p.send("GET", p.base+"/manifests/"+tag, "", nil, 200)
	if err != nil {
		return err
	}
	digest := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(string(text))
	_, blob, err := p.send("GET", p.base+"/blobs/"+digest, "", nil, 200)
	if err == nil && digestOf(blob) != digest {
		err = errors.New("a blob with another digest")
	}
	return err
}

// push uploads a blob, and begins anew as long as something goes wrong.
func (p puller) push(content []byte) (restarts int) {
	for ; restarts < 100; restarts++ {
		if p.upload(content) == nil {
			break
		}
	}
	return restarts
}

func (p puller) upload(content []byte) error {
	begun, _, err := p.send("POST", p.base+"/blobs/uploads/", "", nil, 202)
	if err != nil {
		return err
	}
	added, _, err := p.send("PATCH", begun.Header.Get("Location"), "application/octet-stream", content, 202)
	if err != nil {
		return err
	}
	location, err := url.Parse(added.Header.Get("Location"))
	if err != nil {
		return err
	}
	query := location.Query()
	query.Set("digest", digestOf(content))
	location.RawQuery = query.Encode()
	_, _, err = p.send("PUT", location.String(), "", nil, 201)
	return err
}

// image pushes a manifest with a config.
func (p puller) image(t testing.TB, tag string, config []byte) {
	t.Helper()
	if n := p.push(config); n != 0 {
		t.Fatalf("%d restarts while all is well", n)
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		ociManifest, digestOf(config), len(config))
	if _, _, err := p.send("PUT", p.base+"/manifests/"+tag, ociManifest, []byte(manifest), 201); err != nil {
		t.Fatal(err)
	}
}

// TestPullsWhileAReplicaDies kills one of four registries in the middle of
// 10,000 pulls, starts it again, and takes another out of the configuration:
// no pull fails, and whoever pushes begins one upload anew for each at most.
func TestPullsWhileAReplicaDies(t *testing.T) {
	t.Parallel()
	const pulls, pullers, repos = 10_000, 20, 24
	c := startCluster(t, 4, "health: {interval: 200ms}", straight)
	var all [repos]puller
	for i := range all {
		all[i] = c.newPuller(t, fmt.Sprintf("team/app-%d", i))
		all[i].image(t, "x", fmt.Appendf(nil, `{"number":%d}`, i))
	}
	var done atomic.Int64
	var pulling, pushing sync.WaitGroup
	for i := range pullers {
		pulling.Go(func() {
			for n := i; done.Add(1) <= pulls; n++ {
				if err := all[n%repos].pull("x"); err != nil {
					t.Errorf("pull %d: %v", done.Load(), err)
				}
			}
		})
	}
	var restarts [4]int
	for i := range restarts {
		pushing.Go(func() {
			for n := 0; done.Load() < pulls; n++ {
				restarts[i] += all[(i+n*len(restarts))%repos].push(fmt.Appendf(nil, "layer %d of %d", n, i))
			}
		})
	}
	atPull(&done, pulls/4)
	c.kill(t, 1)
	eventually(t, "the gate knows that it is down", func() bool { return c.up(t, 1) == "0" })
	atPull(&done, pulls/2)
	c.revive(t, 1)
	eventually(t, "the gate knows that it is up", func() bool { return c.up(t, 1) == "1" })
	atPull(&done, pulls*3/4)
	c.configure(t, 3)
	eventually(t, "the gate has forgotten the one that is taken out", func() bool { return c.up(t, 3) == "" })
	pulling.Wait()
	pushing.Wait()
	for i, n := range restarts {
		if n > 2 {
			t.Errorf("client %d has begun %d uploads anew", i, n)
		}
	}
	if n := strings.Count(c.gate.Log(), `"upstream is down"`); n != 1 {
		t.Errorf("the log says %d times that one is down", n)
	}
	t.Logf("restarts %v, retries %s", restarts, c.metric(t, `regate_upstream_retries_total{reason="connect",registry="main"}`))
}

// atPull waits until so many are done. The test's own time-out is the bound.
func atPull(done *atomic.Int64, n int64) {
	for done.Load() < n {
		time.Sleep(time.Millisecond)
	}
}

// TestReplicaThatDiesInMidBlob kills the registry that sends a blob: the client
// gets all of it.
func TestReplicaThatDiesInMidBlob(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]int{"all of it": 0, "the rest of it": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 2, "auth: none", straight)
			content := noise(96 << 20) // more than all buffers on the way hold
			digest := c.putBlob(t, "team/app", content)
			res := c.getFrom(t, "team/app", digest, from)
			first := make([]byte, 1<<20)
			if _, err := io.ReadFull(res.Body, first); err != nil {
				t.Fatal(err)
			}
			c.kill(t, c.busy(t))
			rest, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(append(first, rest...), content[from:]) {
				t.Errorf("%d bytes arrived, want %d: %v", len(first)+len(rest), len(content)-from, err)
			}
			if got := c.metric(t, `regate_upstream_resumes_total{registry="main"}`); got != "1" {
				t.Errorf("resumes: %q, want 1", got)
			}
		})
	}
}

// getFrom begins to download a blob in its middle.
func (c *cluster) getFrom(t testing.TB, repo, digest string, from int) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", c.gate.URL+"/v2/"+repo+"/blobs/"+digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token(t, "admin", adminPassword, "repository:"+repo+":pull"))
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	client := c.gate.CA.HTTP()
	client.Timeout = 0
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// busy is the registry that is sending something.
func (c *cluster) busy(t testing.TB) int {
	t.Helper()
	for i, r := range c.replicas {
		if c.metric(t, fmt.Sprintf(`regate_upstream_requests_in_flight{endpoint=%q,registry="main"}`, r.Addr)) != "0" {
			return i
		}
	}
	t.Fatal("nobody sends anything")
	return 0
}

// TestNetworkWithFaults has one of two registries behind a bad line: pulls go
// on, small ones and large ones.
func TestNetworkWithFaults(t *testing.T) {
	t.Parallel()
	proxy := testbed.StartToxiproxy(t)
	var lines []*testbed.Line
	c := startCluster(t, 2, "balance: round_robin, header_timeout: 1s, connect_timeout: 1s, health: {interval: 100ms, timeout: 500ms, healthy: 1}", func(addr string) string {
		lines = append(lines, proxy.Line(t, addr))
		return lines[len(lines)-1].Addr
	})
	p := c.newPuller(t, "team/app")
	p.image(t, "x", []byte("{}"))
	content := noise(8 << 20)
	large := c.putBlob(t, "team/app", content)
	for _, fault := range []struct {
		toxic      string
		attributes map[string]any
	}{
		{"reset_peer", map[string]any{"timeout": 0}},
		{"reset_peer", map[string]any{"timeout": 20}},
		{"timeout", map[string]any{"timeout": 0}},
		{"timeout", map[string]any{"timeout": 100}},
		{"latency", map[string]any{"latency": 3000}},
		{"limit_data", map[string]any{"bytes": 1 << 20}},
		{"slicer", map[string]any{"average_size": 1000, "size_variation": 500, "delay": 10}},
	} {
		t.Run(fmt.Sprint(fault.toxic, fault.attributes), func(t *testing.T) {
			lines[0].Spoil(t, fault.toxic, fault.attributes)
			for range 20 {
				if err := p.pull("x"); err != nil {
					t.Error(err)
				}
			}
			for range 4 {
				if _, got, err := p.send("GET", p.base+"/blobs/"+large, "", nil, 200); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes of %d, %v", len(got), len(content), err)
				}
			}
			if restarts := p.push([]byte(fault.toxic)); restarts > 1 {
				t.Errorf("%d restarts of an upload", restarts)
			}
			lines[0].Mend(t, fault.toxic)
			up := fmt.Sprintf(`regate_upstream_up{endpoint=%q,registry="main"}`, lines[0].Addr)
			eventually(t, "it is up again", func() bool { return c.metric(t, up) == "1" })
		})
	}
}
