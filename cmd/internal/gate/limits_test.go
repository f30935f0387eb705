package gate

import (
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
