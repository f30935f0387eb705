package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// A load asks a gate for a small blob, over and over, until it is ended.
type load struct {
	url, token string
	stop       chan struct{}
	workers    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	done   int
	failed []error
}

// startLoad starts the registry, puts a blob into it, and begins to ask for
// it: over connections that are kept, and with a new handshake for each
// request, which the certificate of that moment must stand.
func (c *certified) startLoad(t testing.TB) *load {
	t.Helper()
	c.registry = testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2, Addr: c.registry.Addr})
	digest := c.putBlob(t, "team/app", noise(32<<10))
	l := &load{
		url:   c.gate.URL + "/v2/team/app/blobs/" + digest,
		token: c.token(t, "admin", adminPassword, "repository:team/app:pull"),
		stop:  make(chan struct{}),
	}
	for _, kept := range []bool{true, false} {
		client := &http.Client{Timeout: testbed.Patience, Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: c.gate.CA.Pool()},
			ForceAttemptHTTP2: true,
			DisableKeepAlives: !kept,
		}}
		l.workers.Go(func() { l.work(client) })
	}
	return l
}

func (l *load) work(client *http.Client) {
	defer client.CloseIdleConnections()
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		err := l.once(client)
		l.mu.Lock()
		l.done++
		if err != nil {
			l.failed = append(l.failed, err)
		}
		l.mu.Unlock()
	}
}

func (l *load) once(client *http.Client) error {
	req, err := http.NewRequest("GET", l.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK || n != 32<<10 {
		return fmt.Errorf("%s, %d bytes, %v", res.Status, n, err)
	}
	return nil
}

// end waits for the last request and fails the test if any has failed.
func (l *load) end(t testing.TB) {
	t.Helper()
	close(l.stop)
	l.workers.Wait()
	t.Logf("%d requests, %d failed", l.done, len(l.failed))
	if l.done == 0 || len(l.failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(l.failed), l.done, l.failed[:min(3, len(l.failed))])
	}
}
