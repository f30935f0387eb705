package state

import "time"

// A Trouble is why a Store cannot be used as it should. It never changes.
type Trouble struct {
	Since   time.Time
	Err     error // the last
	Answers bool  // it is there, and does not do what it is asked
	Advice  string
}

// TroubleOf returns the trouble of the Store that st is about, as far as is known
// now, without asking it; nil is none, or of an engine that never is away.
func TroubleOf(st Store) *Trouble {
	for {
		switch s := st.(type) {
		case interface{ Trouble() *Trouble }:
			return s.Trouble()
		case *Copy:
			st = s.Store
		case *sealed:
			st = s.Store
		default:
			return nil
		}
	}
}
