package password

import (
	"errors"
	"regexp"

	"golang.org/x/crypto/bcrypt"
)

// DefaultCost is a compromise: about 50 ms for each guess.
const DefaultCost = bcrypt.DefaultCost

// The reasons not to hash a password.
var (
	ErrEmpty   = errors.New("the password is empty")
	ErrTooLong = errors.New("the password is longer than 72 bytes, of which bcrypt sees no more")
)

// Hash returns the bcrypt hash of password, to be put into a configuration.
// A cost of 0 is DefaultCost. A password of more than 72 bytes is refused,
// since what follows them would protect nothing. Where such a password meets
// a hash that somebody else made, it is compared as bcrypt does it everywhere,
// by its first 72 bytes: refusing would lock out accounts that work today.
func Hash(password string, cost int) (string, error) {
	if password == "" {
		return "", ErrEmpty
	}
	if cost == 0 {
		cost = DefaultCost
	}
	if cost < bcrypt.MinCost { // which bcrypt takes for the default
		return "", bcrypt.InvalidCostError(cost)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if errors.Is(err, bcrypt.ErrPasswordTooLong) {
		err = ErrTooLong
	}
	return string(hash), err
}

// bcryptHash has the variants that are computed alike. $2x$ is the broken one
// of an old PHP library.
var bcryptHash = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)

// Valid reports whether hash is a bcrypt hash.
func Valid(hash string) bool { return bcryptHash.MatchString(hash) }

// Cost is the cost of a valid hash, 4 to 31; each step doubles the time of a
// comparison. It is 0 if the hash is not valid.
func Cost(hash string) int {
	if !Valid(hash) {
		return 0
	}
	return int(hash[4]-'0')*10 + int(hash[5]-'0')
}
