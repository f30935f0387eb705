package gate

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// keyEvery is between two looks at the file with the key of the state.
const keyEvery = time.Minute

// A keyWatch tells of a key file that no longer has the key in use. The gate goes
// on with that, and only its next start would show what has happened.
type keyWatch struct {
	load func() (state.Key, error)
	used string // the ID
	last string // what was said, or "" of nothing
	log  *zap.Logger
}

// followKey begins with the key that the gate has just been started with.
func (p *process) followKey(ctx context.Context) {
	load := p.first.State.Redis.Key
	used, err := load()
	if err != nil {
		p.log.Warn("the key_file of state.redis cannot be read any more", zap.Error(err))
		return
	}
	(&keyWatch{load: load, used: used.ID(), log: p.log}).run(ctx)
}

// run looks until ctx is done.
func (k *keyWatch) run(ctx context.Context) {
	tick := time.NewTicker(keyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look()
		}
	}
}

// look warns once of each thing that is in the way.
func (k *keyWatch) look() {
	key, err := k.load()
	said := ""
	switch {
	case err != nil:
		said = err.Error()
	case key.ID() != k.used:
		said = "it holds the key " + key.ID() + ", and the one in use is " + k.used
	}
	if said != k.last && said != "" {
		k.log.Warn("this gate could not start again with the key_file of state.redis: put the former one back, or see docs/disaster.md", zap.String("error", said))
	}
	k.last = said
}
