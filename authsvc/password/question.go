package password

import (
	"errors"
	"io"

	"golang.org/x/crypto/bcrypt"

	"github.com/regate/regate/authsvc/authn"
)

const (
	hashLen = 60 // of every valid hash
	seen    = 72 // bytes of a password; bcrypt sees no more
)

// A question is whether a hash was made of a password. In a pipe it is the
// hash, the length of the password in one byte, and the password: there are no
// lengths to be believed that would not fit.
type question struct {
	hash     [hashLen]byte
	password []byte
}

func newQuestion(hash, password string) question {
	q := question{password: []byte(password[:min(len(password), seen)])}
	copy(q.hash[:], hash)
	return q
}

func (q question) bytes() []byte {
	b := append(q.hash[:], byte(len(q.password)))
	return append(b, q.password...)
}

// readQuestion returns io.EOF if there is none any more.
func readQuestion(r io.Reader) (q question, err error) {
	var head [hashLen + 1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return q, err
	}
	copy(q.hash[:], head[:])
	q.password = make([]byte, head[hashLen])
	if len(q.password) > seen {
		return q, errors.New("a password that nobody sends")
	}
	_, err = io.ReadFull(r, q.password)
	return q, err
}

// An answer is one byte, by which a helper also says that it is there.
type answer byte

const (
	ready   answer = 'r'
	equal   answer = 'y'
	unequal answer = 'n'
	unable  answer = 'e'
)

func (q question) answer() answer {
	switch err := bcrypt.CompareHashAndPassword(q.hash[:], q.password); {
	case err == nil:
		return equal
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return unequal
	}
	return unable
}

// verdict is the answer as Compare gives it. Only one of them is a yes.
func (a answer) verdict() error {
	switch a {
	case equal:
		return nil
	case unequal:
		return authn.ErrWrongPassword
	}
	return errors.New("the password could not be compared")
}
