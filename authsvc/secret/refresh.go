package secret

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
)

// Refresh is the kind of a secret that a client was given when its user logged
// in with a password. It keeps the secret instead of the password, and gets
// tokens with it. It is never replaced by another: several processes share the
// file where docker keeps it.
const Refresh = "refresh"

const (
	// MostRefresh is how many clients of one owner can be logged in. The one that
	// has not been seen for longest makes room for another.
	MostRefresh = 200

	// idle is how long a client must not have been seen to make room: who logs in
	// with each job of a CI would else turn out the jobs that still run.
	idle = 24 * time.Hour
)

// Terms are how long refresh tokens are good.
type Terms struct {
	Life time.Duration // since the last use, give or take an hour
	Max  time.Duration // since the login; 0 is for ever
}

// end is when a secret ends that was used at a time.
func (d Terms) end(created, used time.Time) time.Time {
	end := used.Add(d.Life)
	if last := created.Add(d.Max); d.Max > 0 && last.Before(end) {
		return last
	}
	return end
}

// CreateRefresh writes a new refresh token of t.Owner and returns its text,
// which nothing can show again. t has Owner, Method, Name and Service. ErrTooMany
// says that as many clients are at work with the account as can be.
func (b *Book) CreateRefresh(ctx context.Context, t Token, d Terms) (authn.Secret, Token, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := b.makeRoom(ctx, t.Owner); err != nil {
		return "", Token{}, err
	}
	now := b.now()
	t.Kind, t.Used, t.Expires = Refresh, now, d.end(now, now)
	return b.insert(ctx, t)
}

// VerifyRefresh returns the refresh token with that text. Its errors are
// Verify's; a secret of another kind is unknown. The terms are those of today:
// who shortens a life ends what has not been used for longer.
func (b *Book) VerifyRefresh(ctx context.Context, text authn.Secret, d Terms) (Token, error) {
	t, err := b.check(ctx, text)
	now := b.now()
	switch {
	case err != nil:
		return Token{}, err
	case t.Kind != Refresh:
		return Token{}, ErrUnknown
	case !now.Before(d.end(t.Created, t.Used)):
		return Token{}, ErrExpired
	}
	return t, nil
}

// Extend has a refresh token that was used now last for longer. It does not wait.
func (b *Book) Extend(t Token, d Terms) { b.note(t, d.end(t.Created, b.now())) }

// A seen client is one that is logged in.
type seen struct {
	id string
	at time.Time
}

// makeRoom returns an error unless the owner may have one client more.
func (b *Book) makeRoom(ctx context.Context, owner string) error {
	if owner == "" {
		return errors.New("a token needs an owner")
	}
	n, oldest := 0, seen{}
	for e, err := range b.store.List(ctx, index(owner, "")) {
		if err != nil {
			return err
		}
		kind, at := readIndex(e.Data)
		if kind != Refresh {
			continue
		}
		if n++; oldest.id == "" || at.Before(oldest.at) {
			oldest = seen{idOf(e.Key), at}
		}
	}
	switch {
	case n < MostRefresh:
		return nil
	case b.now().Sub(oldest.at) < idle:
		return fmt.Errorf("%w: %d clients are logged in, and all were seen within %v", ErrTooMany, n, idle)
	}
	b.log.Info("a client makes room for another of its account", zap.String("subject", owner), zap.String("family", oldest.id), zap.Time("seen", oldest.at))
	return b.remove(ctx, owner, oldest.id)
}

// What stands in the index about a secret is when it was made, in Unix seconds.
// For a refresh token it is when it was seen, and the kind follows: for each
// login all of an owner's are looked at, but not their records.
func indexed(t Token) []byte {
	if t.Kind == Refresh {
		return []byte(strconv.FormatInt(t.Used.Unix(), 10) + " " + Refresh)
	}
	return []byte(strconv.FormatInt(t.Created.Unix(), 10))
}

// readIndex returns the zero time of what cannot be read.
func readIndex(data []byte) (kind string, at time.Time) {
	text, kind, _ := strings.Cut(string(data), " ")
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		at = time.Unix(n, 0)
	}
	return kind, at
}
