package authn

import "context"

// Keyed returns a, which says by its key in the configuration whom it has
// vouched for. It is a Finder if a is.
func Keyed(key string, a Authenticator) Authenticator {
	k := keyed{key, a}
	if f, ok := a.(Finder); ok {
		return keyedFinder{k, f}
	}
	return k
}

type keyed struct {
	key string
	of  Authenticator
}

// Authenticate is Authenticator's.
func (k keyed) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	return k.sign(k.of.Authenticate(ctx, c))
}

func (k keyed) sign(id Identity, err error) (Identity, error) {
	if err == nil {
		id.Via.Method = k.key
	}
	return id, err
}

type keyedFinder struct {
	keyed
	finder Finder
}

// Find is Finder's.
func (k keyedFinder) Find(ctx context.Context, account string) (Identity, error) {
	return k.sign(k.finder.Find(ctx, account))
}
