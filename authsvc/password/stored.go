package password

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/regate/regate/authsvc/authn"
)

// MostCost is the highest cost that the hash of an account may have. A few
// logins at a higher one would keep everybody else waiting for minutes, or for
// days.
const MostCost = 17

// Stored compares passwords with hashes that nobody has checked before: those
// of a database, which come one by one, as they are asked for.
//
//	what is stored                         what that means
//	a bcrypt hash                          whoever knows the password is let in
//	nothing (nil)                          nobody; with any, everybody who shows a password
//	an empty text                          nobody
//	anything else, or more than MostCost   nobody can tell
type Stored struct {
	pool *Pool
	any  bool
	cost atomic.Int64 // highest so far; 0 for none
}

// NewStored returns a Stored of a pool.
func NewStored(pool *Pool, any bool) *Stored { return &Stored{pool: pool, any: any} }

// Cost is the highest cost of a hash that there was so far. Before there was
// one, it is that of new hashes.
func (s *Stored) Cost() int {
	if cost := int(s.cost.Load()); cost > 0 {
		return cost
	}
	return DefaultCost
}

// Compare returns nil if password is right, which no empty one is, and
// authn.ErrWrongPassword if it is not. Any other error means that it could not
// tell; it never says what is stored. A refusal takes as long as one of an
// account with a hash.
func (s *Stored) Compare(ctx context.Context, hash *string, password string) error {
	open, err := s.Open(hash)
	switch {
	case err != nil:
		return err
	case !open || password == "":
		return s.refuse(ctx, password)
	case hash == nil:
		return nil
	}
	s.saw(Cost(*hash))
	return s.pool.Compare(ctx, *hash, password)
}

func (s *Stored) refuse(ctx context.Context, password string) error {
	if err := s.pool.Absent(ctx, s.Cost(), password); err != nil {
		return err
	}
	return fmt.Errorf("%w: the account has none, or none was shown", authn.ErrWrongPassword)
}

// Open reports whether anybody can log in with what is stored. An error means
// that nobody can tell.
func (s *Stored) Open(hash *string) (bool, error) {
	switch {
	case hash == nil:
		return s.any, nil
	case *hash == "":
		return false, nil
	case !Valid(*hash):
		return false, errors.New("is not a bcrypt hash") // whose text may be a password
	case Cost(*hash) > MostCost:
		return false, fmt.Errorf("has cost %d, and the highest is %d", Cost(*hash), MostCost)
	}
	return true, nil
}

func (s *Stored) saw(cost int) {
	for was := s.cost.Load(); int64(cost) > was && !s.cost.CompareAndSwap(was, int64(cost)); was = s.cost.Load() {
	}
}
