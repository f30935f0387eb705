package gate

import (
	"testing"

	"github.com/regate/regate/configs"
)

var fitTests = []struct {
	descriptors, wanted, network int
	want, wantNetwork            int
}{
	{20000, 8192, 2048, 8192, 2048},
	{1024, 8192, 2048, 393, 98}, // what a login has by default
	{1024, 300, 300, 300, 300},
	{1 << 20, 1 << 18, 1 << 18, 1 << 18, 1 << 18},
	{100, 8192, 2048, 1, 1}, // which starts, at least, and says why it is slow
}

func TestFit(t *testing.T) {
	for _, tt := range fitTests {
		got := fit(configs.Limits{Connections: tt.wanted, PerNetwork: tt.network, Streams: 7}, tt.descriptors)
		want := configs.Limits{Connections: tt.want, PerNetwork: tt.wantNetwork, Streams: 7}
		if got != want {
			t.Errorf("fit(%d of which %d, %d descriptors) = %+v, want %+v", tt.wanted, tt.network, tt.descriptors, got, want)
		}
		if need := got.Connections + got.Connections/2 + got.Connections/8 + adminConnections + spareDescriptors; got.Connections > 1 && need > tt.descriptors {
			t.Errorf("%d connections need %d descriptors, there are %d", got.Connections, need, tt.descriptors)
		}
	}
}
