package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/state"
)

// copyDir is where the copy of what a fleet shares is.
func copyDir(file *configs.File) string { return filepath.Join(file.State.Dir(), "copy") }

// readCopy reports whether there is anything in the copy yet. One that the key
// does not open must not be taken for an empty one: it may be the last that has
// the token root.
func readCopy(ctx context.Context, near state.Store, file *configs.File) (has bool, err error) {
	dir := copyDir(file)
	for entry, err := range near.List(ctx, "") {
		if errors.Is(err, state.ErrSealed) {
			return false, fmt.Errorf("the copy of the fleet's state in %s: %w%s; only if that key is lost, move %[1]s away", dir, err, formerKey(file))
		}
		if err != nil {
			return false, fmt.Errorf("the copy of the fleet's state in %s: %w", dir, err)
		}
		has = has || isKept(entry.Key)
	}
	return has, nil
}

// formerKey is for who has moved the state of a gate that was alone, without its key.
func formerKey(file *configs.File) string {
	key := filepath.Join(file.State.Dir(), "state.key")
	if _, err := os.Stat(key); err != nil {
		return ""
	}
	return fmt.Sprintf(" (that of a gate that was alone is %s)", key)
}

// A meeting is of what a fleet shares and the copy that a gate has of it, before
// either is written to.
type meeting struct {
	file      *configs.File
	far, near state.Store
	log       *zap.Logger
}

// meetTime is for all of it.
const meetTime = 10 * time.Second

// check refuses what cannot be right: two token roots, or two CAs, of which
// registries and clients know one.
func (m meeting) check(ctx context.Context, hasCopy bool) error {
	ctx, cancel := context.WithTimeout(ctx, meetTime)
	defer cancel()
	if !hasCopy {
		return m.checkNew(ctx)
	}
	var others []other
	for _, l := range m.lasting() {
		differ, err := m.differ(ctx, l)
		if err != nil {
			return fmt.Errorf("the copy of the fleet's state in %s: %w", copyDir(m.file), err)
		}
		if differ != nil {
			others = append(others, *differ)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return m.refuse(others)
}

// A lasting value is one that others are told to trust.
type lasting struct {
	what, key, name string // for people, in the state, in Redis
	fingerprint     func(stored []byte) (string, error)
}

// lasting are the values that the configuration has the gate read.
func (m meeting) lasting() (all []lasting) {
	if m.file.Auth.Token.Root.Cert == "" {
		all = append(all, lasting{"token root", keyring.RootKey, "rg:{keys/token}:root", keyring.RootFingerprint})
	}
	if key := acme.CAKey(m.file.TLS); key != "" {
		all = append(all, lasting{"CA", key, "rg:{tls/ca}:" + strings.TrimPrefix(key, acme.CAKeys), acme.CAFingerprint})
	}
	return all
}

// An other is a lasting value that is another one here than there.
type other struct {
	lasting
	far, near string // fingerprints
}

// differ compares one value. What the fleet has lost it gets back, and what it
// cannot be asked for is not known to be another.
func (m meeting) differ(ctx context.Context, l lasting) (*other, error) {
	near, err := m.near.Get(ctx, l.key)
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	far, err := m.far.Get(ctx, l.key)
	if err != nil || bytes.Equal(far.Data, near.Data) {
		return nil, nil // whoever needs it says what is wrong
	}
	return &other{l, l.print(far.Data), l.print(near.Data)}, nil
}

func (l lasting) print(stored []byte) string {
	print, err := l.fingerprint(stored)
	if err != nil {
		return "one that cannot be read"
	}
	return print
}

// refuse says which is which, and how to go on with either.
func (m meeting) refuse(others []other) error {
	var what, unlink []string
	for _, o := range others {
		what = append(what, fmt.Sprintf("another %s (%s) than this gate has had until now (%s)", o.what, o.far, o.near))
		unlink = append(unlink, fmt.Sprintf("redis-cli unlink '%s'", o.name))
	}
	dir := copyDir(m.file)
	return fmt.Errorf("the fleet's state in Redis has %s: registries and clients know only one of them. To go back to what this gate has in %s, "+
		"stop all gates, move that directory away from those that have the other, say %s, and start this gate first. "+
		"To take the fleet's, move %[2]s away. Nothing was changed; see docs/disaster.md",
		strings.Join(what, " and "), dir, strings.Join(unlink, " and "))
}

// checkNew is for a gate that has no copy. It must not be the first of a fleet
// while it has what it was alone with.
func (m meeting) checkNew(ctx context.Context) error {
	has, err := m.fleetHas(ctx)
	if err != nil {
		return fmt.Errorf("this gate has no copy of the fleet's state in %s yet, and cannot start without Redis before it has one: %w", copyDir(m.file), err)
	}
	db := filepath.Join(m.file.State.Dir(), "regate.db")
	if _, err := os.Stat(db); err != nil {
		return nil
	}
	if has || len(m.lasting()) == 0 {
		m.log.Warn("the state of a gate that was alone is not used: move it away", zap.String("file", db))
		return nil
	}
	return fmt.Errorf("%s is the state of a gate that was alone, and would not be used: the fleet would get another token root and other certificates. "+
		"Make it the copy that Redis gets them from (mv %[1]s %s/, and state.key as state.redis.key_file: see docs/fleet.md), or move it away", db, copyDir(m.file))
}

// fleetHas reports whether a gate has been there. All make such secrets.
func (m meeting) fleetHas(ctx context.Context) (bool, error) {
	for _, err := range m.far.List(ctx, "keys/secret/") {
		return true, ignoreSealed(err)
	}
	_, err := m.far.Get(ctx, keyring.RootKey)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return true, ignoreSealed(err)
}

// ignoreSealed leaves it to those who need a value to say that it cannot be opened.
func ignoreSealed(err error) error {
	if errors.Is(err, state.ErrSealed) {
		return nil
	}
	return err
}
