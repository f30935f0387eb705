package acme

import (
	"context"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	sweepEvery  = 24 * time.Hour      // of all replicas together
	expiredStay = 14 * 24 * time.Hour // so that there is something to look at
)

// sweep takes certificates out of the state that have expired long ago: of
// hosts that went, and of CAs that are asked no more.
func (m *managed) sweep(ctx context.Context) {
	tick := time.NewTicker(m.every.sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := certmagic.CleanStorage(ctx, m.storage, certmagic.CleanStorageOptions{
				Logger: hush(m.log), Interval: sweepEvery, ExpiredCerts: true, ExpiredCertGracePeriod: expiredStay,
			})
			if err != nil && ctx.Err() == nil {
				m.log.Warn("state could not be swept", zap.Error(err))
			}
		}
	}
}
