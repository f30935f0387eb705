package gate

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/metrics"
	"github.com/regate/regate/internal/state"
)

const (
	peerArea  = "gate/seen/"
	peerEvery = 15 * time.Second
	peerLife  = 3 * peerEvery   // so that nobody counts a gate that has been gone for more than a minute
	peerTime  = 5 * time.Second // for one look
)

// A peer is what a gate says of itself to the others of a fleet. They share no
// configuration, so that a mistake in one does not reach all, but it ought to
// be the same.
type peer struct {
	Host    string `json:"host"`
	Version string `json:"version"`
	Config  string `json:"config"`         // SHA-256 of the file
	Root    string `json:"root,omitempty"` // fingerprint of the token root; "" of an older version, which does not say
}

// hasOtherRoot reports whether each refuses the other's tokens.
func (p peer) hasOtherRoot(than peer) bool { return p.Root != "" && p.Root != than.Root }

// peers are the gates that were seen in the last minute, this one apart. While
// the state is away they are those that were seen last.
type peers struct {
	seen atomic.Pointer[map[string]peer]
}

// followPeers says that this gate is there and looks who else is, until ctx is
// done.
func (p *process) followPeers(ctx context.Context, id string) {
	tick := time.NewTicker(peerEvery)
	defer tick.Stop()
	for {
		if err := p.lookForPeers(ctx, id); err != nil { // of a state that is away it is known already
			p.log.Debug("other gates cannot be looked for", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			p.leavePeers(ctx, id)
			return
		case <-tick.C:
		}
	}
}

func (p *process) lookForPeers(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	own, err := json.Marshal(p.self())
	if err != nil {
		return err
	}
	if _, err := p.store.Put(ctx, peerArea+id, own, state.PutOpts{TTL: peerLife}); err != nil {
		return err
	}
	seen := make(map[string]peer)
	for e, err := range p.store.List(ctx, peerArea) {
		if err != nil {
			return err
		}
		var other peer
		if e.Key != peerArea+id && json.Unmarshal(e.Data, &other) == nil {
			seen[e.Key] = other
		}
	}
	p.tellDifferences(seen)
	p.peers.seen.Store(&seen)
	return nil
}

// tellDifferences warns once of each gate that has come with another
// configuration or token root, or changed its own.
func (p *process) tellDifferences(seen map[string]peer) {
	self, before := p.self(), p.peers.seen.Load()
	for key, other := range seen {
		if before != nil && (*before)[key] == other {
			continue
		}
		if other.Config != self.Config {
			p.log.Warn("another gate has another configuration", zap.String("host", other.Host),
				zap.String("config", other.Config), zap.String("own", self.Config))
		}
		if other.hasOtherRoot(self) {
			p.log.Error("another gate has another token root: each refuses the other's tokens, and registries know one of them, see docs/disaster.md",
				zap.String("host", other.Host), zap.String("root", other.Root), zap.String("own", self.Root))
		}
	}
}

// leavePeers spares the others a minute of a gate that is not there.
func (p *process) leavePeers(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = p.store.Delete(ctx, peerArea+id, 0)
}

func (p *process) self() peer {
	host, _ := os.Hostname() // is for people
	return peer{Host: host, Version: p.opts.Version, Config: configSum(p.live()), Root: p.ring.Fingerprint()}
}

// live is the configuration in use.
func (p *process) live() *configs.File {
	if g := p.board.live.Load(); g != nil {
		return g.file
	}
	return p.first
}

// configSum is that of the file itself: certificates and the like may differ.
func configSum(file *configs.File) string {
	sum := file.Seen()[file.Path()]
	return hex.EncodeToString(sum[:])
}

// fleet is for the metrics.
func (p *process) fleet() metrics.Fleet {
	self := p.self()
	f := metrics.Fleet{Config: self.Config, Gates: 1, StateLost: p.trouble() != nil}
	seen := p.peers.seen.Load()
	if seen == nil {
		return f
	}
	f.Gates += len(*seen)
	for _, other := range *seen {
		if other.Config != self.Config {
			f.OtherConfig++
		}
		if other.Version != self.Version {
			f.OtherVersion++
		}
		if other.hasOtherRoot(self) {
			f.OtherRoot++
		}
	}
	return f
}

// rootLine tells of gates that have another token root, as a host is told of;
// "" if there is none.
func (p *process) rootLine() string {
	seen := p.peers.seen.Load()
	if seen == nil {
		return ""
	}
	self := p.self()
	for _, other := range *seen {
		if other.hasOtherRoot(self) {
			return fmt.Sprintf("fleet: not one, since a gate has another token root\n  error: that of %q is %s, and this gate's is %s\n"+
				"  advice: Each refuses the other's tokens. See docs/disaster.md for how to choose one.\n", other.Host, other.Root, self.Root)
		}
	}
	return ""
}
