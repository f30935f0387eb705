package state

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	keySize   = 32 // bytes, of AES-256
	keyIDSize = 4
)

// A Key seals values. It tells apart who may read a copy of the state from who
// may use it: a backup, or a Redis that others share, is worth nothing without
// the key. It does not protect from somebody who can read both. A Key prints
// as its ID, and the zero Key refuses to seal.
type Key struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// NewKey makes a key of 32 bytes that nobody can guess.
func NewKey(secret [keySize]byte) (Key, error) {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return Key{}, err
	}
	// Nonces are random 96-bit numbers: good for 2^32 values of one key, which
	// is a write a second for more than a century (NIST SP 800-38D 8.3).
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, err
	}
	sum := sha256.Sum256(append([]byte("regate state key\x00"), secret[:]...))
	return Key{id: [keyIDSize]byte(sum[:]), aead: aead}, nil
}

// ParseKey reads a key of 64 hexadecimal characters. Its errors do not repeat
// the text.
func ParseKey(text string) (Key, error) {
	var secret [keySize]byte
	text = strings.TrimSpace(text)
	if len(text) != hex.EncodedLen(keySize) {
		return Key{}, fmt.Errorf("a key has 64 hexadecimal characters, not %d", len(text))
	}
	if _, err := hex.Decode(secret[:], []byte(text)); err != nil {
		return Key{}, errors.New("a key has 64 hexadecimal characters, and one of these is none")
	}
	return NewKey(secret)
}

// LoadKey reads the key in the file at path.
func LoadKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("state key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("state key %s: %w", path, err)
	}
	return key, nil
}

// EnsureKey reads the key in the file at path, and makes the file with a new
// key, mode 0600, if there is none.
func EnsureKey(path string) (Key, error) {
	key, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := writeNewKey(path); err != nil {
		return Key{}, fmt.Errorf("make state key: %w", err)
	}
	return LoadKey(path)
}

// writeNewKey puts a complete key at path or nothing: a file that a full disk
// cut short would be a key that no later start could use. If another process
// was faster, its key stays.
func writeNewKey(path string) error {
	var secret [keySize]byte
	_, _ = rand.Read(secret[:]) // never fails
	tmp, err := os.CreateTemp(filepath.Dir(path), ".state-key-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(hex.EncodeToString(secret[:]) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in dir survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ID names the key without giving it away; sealed values carry it.
func (k Key) ID() string { return hex.EncodeToString(k.id[:]) }

// String returns the ID.
func (k Key) String() string { return k.ID() }

// Format writes the ID for every verb, so that no verb shows what is inside.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.ID())) }
