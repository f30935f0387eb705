package redis

import (
	"errors"
	"time"

	"go.uber.org/zap"
)

// patrolEvery is between two looks at a server that is in use: somebody may have
// told it meanwhile to throw away what it has no room for.
const patrolEvery = time.Minute

// patrol looks whether the server is still fit, until the Store is closed. One
// that is not goes on to be used: what it may lose it has not lost yet.
func (s *Store) patrol() {
	look := time.NewTicker(patrolEvery)
	defer look.Stop()
	for fit := true; ; {
		select {
		case <-s.ends.Done():
			return
		case <-look.C:
			fit = s.patrolOnce(fit)
		}
	}
}

// patrolOnce says so if the server has become unfit, or fit.
func (s *Store) patrolOnce(wasFit bool) (isFit bool) {
	if s.link.trouble() != nil { // tend looks
		return wasFit
	}
	err := s.inspectSoon(s.ends)
	switch {
	case s.ends.Err() != nil || err != nil && !errors.Is(err, ErrUnfit):
		return wasFit
	case err != nil && wasFit:
		s.log.Error("state has changed, and no gate would start with it", zap.Error(err))
	case err == nil && !wasFit:
		s.log.Info("state can be started with again")
	}
	return err == nil
}
