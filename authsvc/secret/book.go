package secret

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/state"
)

var (
	// ErrUnknown says that there is no such secret, or no longer.
	ErrUnknown = errors.New("unknown token")
	// ErrBroken says that there is one that nobody can use, as it cannot be read.
	ErrBroken = errors.New("broken token")
	// ErrExpired says that a secret was good until a while ago.
	ErrExpired = errors.New("expired token")
	// ErrTooMany says that the owner has to revoke one first.
	ErrTooMany = errors.New("too many tokens")
)

const (
	// Most is how many personal tokens one owner can have, and MostRobots how
	// many secrets of robots. Gates that make some at the same moment may go
	// beyond it.
	Most       = 100
	MostRobots = 1000

	// remembered is how long an expired secret is still known as one, for the
	// list, and for what the log says of whoever shows it.
	remembered = 7 * 24 * time.Hour

	// halfMade is how long an index entry may be without its record: until
	// whoever made it must have written that, too.
	halfMade = 10 * time.Minute
	// writeTime bounds the two writes of a new secret, well within halfMade.
	writeTime = 15 * time.Second
)

// A Book is all the secrets that were given out. Records are at secret/<id>,
// and at owner/<account>/<id>, the account escaped as an element of a URL's
// path, stands what belongs to whom. A secret is good if its record is there;
// the index is written before it and deleted after it, so that no secret is
// good that its owner could not find and revoke.
type Book struct {
	store   state.Store
	log     *zap.Logger
	now     func() time.Time
	used    chan use
	touched *cache.Cache[string, struct{}]
	good    *cache.Cache[string, record]
	robots  sync.Mutex // held while one gets a secret, so that none gets too many
}

// New opens the book in s. Run writes into it when secrets were used.
func New(s state.Store, now func() time.Time, log *zap.Logger) *Book {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = zap.NewNop()
	}
	return &Book{
		store: s, log: log.Named("tokens"), now: now,
		used: make(chan use, usesAtOnce), touched: cache.New[string, struct{}](cache.Options{TTL: usedEvery, Now: now}),
		good: cache.New[string, record](cache.Options{Size: mostTrusted, TTL: trusted, Now: now}),
	}
}

// Create writes a new secret of t.Owner and returns its text, which nothing
// can show again. t has Kind, Owner, Method and Name, Within, and Expires unless
// it is to be good for ever. ErrTooMany is the owner's to mend, ErrExists is said
// of a robot that has secrets already, and a problem.List of bounds that cannot be.
func (b *Book) Create(ctx context.Context, t Token) (authn.Secret, Token, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if t.Kind == Robot {
		b.robots.Lock()
		defer b.robots.Unlock()
		if err := b.newRobot(ctx, t); err != nil {
			return "", Token{}, err
		}
	}
	if err := narrow.Check(t.Within); err != nil {
		return "", Token{}, err
	}
	if err := b.room(ctx, t); err != nil {
		return "", Token{}, err
	}
	return b.create(ctx, t)
}

// create writes a secret that may be.
func (b *Book) create(ctx context.Context, t Token) (authn.Secret, Token, error) {
	t.Used, t.Replaced = time.Time{}, false
	return b.insert(ctx, t)
}

// insert writes t, of which there is all but the ID and the moment.
func (b *Book) insert(ctx context.Context, t Token) (authn.Secret, Token, error) {
	p := newParsed()
	t.ID, t.Created = p.id, b.now()
	sum := sha256.Sum256(p.secret[:])
	if err := b.write(ctx, t, sum); err != nil {
		b.forget(ctx, t)
		return "", Token{}, err
	}
	return p.text(), t, nil
}

// room returns an error unless the owner may have one more of its kind.
func (b *Book) room(ctx context.Context, t Token) error {
	if t.Owner == "" {
		return errors.New("a token needs an owner")
	}
	all, err := b.List(ctx, t.Owner)
	if err != nil {
		return err
	}
	n, most := 0, Most
	if t.Kind == Robot {
		most = MostRobots
	}
	for _, other := range all {
		if other.Kind == t.Kind {
			n++
		}
	}
	if n >= most {
		return fmt.Errorf("%w: %d, and no more than %d can be had", ErrTooMany, n, most)
	}
	return nil
}

func (b *Book) write(ctx context.Context, t Token, sum [sha256.Size]byte) error {
	val, err := json.Marshal(newRecord(t, sum))
	if err != nil {
		return err
	}
	once := state.PutOpts{IfRev: new(uint64), TTL: t.left(b.now())}
	if _, err := b.store.Put(ctx, index(t.Owner, t.ID), indexed(t), once); err != nil {
		return err
	}
	_, err = b.store.Put(ctx, area+t.ID, val, once)
	return err
}

// forget removes what may have been written of a secret that nobody will know.
func (b *Book) forget(ctx context.Context, t Token) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := b.remove(ctx, t.Owner, t.ID); err != nil {
		b.log.Warn("a token that was given to nobody may be left in the list of its owner",
			zap.String("subject", t.Owner), zap.String("token", t.ID), zap.Error(err))
	}
}

// Verify returns the secret with that text, or ErrMalformed, ErrUnknown or
// ErrExpired. Any other error means that it could not tell.
func (b *Book) Verify(ctx context.Context, text authn.Secret) (Token, error) {
	t, err := b.check(ctx, text)
	if err == nil {
		b.note(t, t.Expires)
	}
	return t, err
}

// check is Verify without a note of it.
func (b *Book) check(ctx context.Context, text authn.Secret) (Token, error) {
	p, err := parse(text.Reveal())
	if err != nil {
		return Token{}, err
	}
	rec, asked, err := b.recall(ctx, p.id)
	if err != nil {
		return Token{}, err
	}
	sum := sha256.Sum256(p.secret[:])
	if subtle.ConstantTimeCompare(sum[:], rec.Hash) != 1 {
		return Token{}, ErrUnknown
	}
	t := rec.token(p.id)
	if t.Expired(b.now()) {
		return Token{}, ErrExpired
	}
	if asked {
		b.good.Set(p.id, rec)
	}
	return t, nil
}

// read returns the record of a secret, or ErrUnknown.
func (b *Book) read(ctx context.Context, id string) (rec record, rev uint64, err error) {
	val, err := b.store.Get(ctx, area+id)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return rec, 0, ErrUnknown
	case errors.Is(err, state.ErrSealed):
		return rec, 0, broken(id, err)
	case err != nil:
		return rec, 0, err
	}
	rec, err = parseRecord(id, val)
	return rec, val.Rev, err
}

func broken(id string, err error) error {
	return fmt.Errorf("%w, which `regate revoke --family %s` removes: %w", ErrBroken, id, err)
}

func parseRecord(id string, val state.Value) (rec record, err error) {
	if err := json.Unmarshal(val.Data, &rec); err != nil {
		return rec, broken(id, err)
	}
	return rec, nil
}

// area is where records are, and owners where the index is.
const (
	area   = "secret/"
	owners = "owner/"
)

// index is the key of a secret of an owner; with no id, what all of them begin
// with.
func index(owner, id string) string { return owners + url.PathEscape(owner) + "/" + id }

// idOf is the id in a key of the index.
func idOf(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
