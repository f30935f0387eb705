package gate

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/configs"
)

var fitTests = []struct {
	descriptors, wanted, network, requests int
	want, wantNetwork, wantRequests        int
}{
	{20000, 8192, 2048, 4096, 8192, 2048, 4096},
	{1024, 8192, 2048, 4096, 393, 98, 198}, // what a login has by default
	{1024, 300, 300, 4096, 300, 300, 303},
	{1024, 500, 500, 50, 500, 500, 50},
	{1 << 20, 1 << 18, 1 << 18, 4096, 1 << 18, 1 << 18, 4096},
	{100, 8192, 2048, 4096, 1, 1, 1}, // which starts, at least, and says why it is slow
}

func TestFit(t *testing.T) {
	for _, tt := range fitTests {
		got := fit(configs.Limits{Connections: tt.wanted, PerNetwork: tt.network, Requests: tt.requests, Streams: 7}, tt.descriptors)
		want := configs.Limits{Connections: tt.want, PerNetwork: tt.wantNetwork, Requests: tt.wantRequests, Streams: 7}
		if got != want {
			t.Errorf("fit(%d of which %d, %d descriptors) = %+v, want %+v", tt.wanted, tt.network, tt.descriptors, got, want)
		}
		if need := got.Connections + got.Requests + got.Connections/8 + adminConnections + spareDescriptors; got.Connections > 1 && need > tt.descriptors {
			t.Errorf("%d connections need %d descriptors, there are %d", got.Connections, need, tt.descriptors)
		}
	}
}

// A drip is a body without end that counts what is taken of it.
type drip struct{ taken atomic.Int64 }

func (d *drip) Read(p []byte) (int, error) {
	d.taken.Add(int64(len(p)))
	return len(p), nil
}

// TestTransfersAreNoHandshakes has an upload stand still, since the registry
// takes no more of it, where a network has a single handshake: the upload is long
// past its own, so others go on.
func TestTransfersAreNoHandshakes(t *testing.T) {
	held := make(chan struct{})
	var uploads atomic.Int64
	hold := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", r.URL.Path+"00000000-0000-0000-0000-000000000000")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPatch:
			uploads.Add(1)
			<-held
		}
	}))
	defer hold.Close()
	defer close(held)
	g := start(t, changed(t, config(t, hold.URL, ""), "grace: 0s", "grace: 0s, limits: {handshakes: 2}"))
	bearer := "Bearer " + g.token("repository:team/app:pull,push")

	url := "https://" + g.Addrs["https"] + g.upload("team/app", bearer)

	body := new(drip) // what buffers take of it differs
	ctx, stop := context.WithCancel(t.Context())
	uploaded := make(chan struct{})
	go func() {
		defer close(uploaded)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPatch, url, io.NopCloser(body))
		r.Header.Set("Authorization", bearer)
		one := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.https.Transport.(*http.Transport).TLSClientConfig.RootCAs}}
		defer one.CloseIdleConnections() // its connection is its own, of HTTP/1.1
		if res, err := one.RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
	}()
	defer func() { stop(); <-uploaded }()
	last, still := int64(0), 0 // looks, 5 ms apart
	g.until("the upload stands still", func() bool {
		if now := body.taken.Load(); uploads.Load() == 0 || now != last {
			last, still = now, 0
		}
		still++
		return still > 20
	})
	if status, _, _ := g.get("https", "/v2/team/app/manifests/1", "Authorization", bearer); status != http.StatusOK {
		t.Errorf("beside it: %d", status)
	}
	select {
	case <-uploaded:
		t.Error("the upload has ended")
	default:
	}
}
