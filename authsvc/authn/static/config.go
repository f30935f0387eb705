package static

import (
	"maps"
	"slices"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/password"
	"github.com/regate/regate/internal/problem"
)

// Config is the "users" of the configuration: accounts by their names. The
// account "" is whoever does not log in; without it, nobody gets in that way.
type Config map[string]User

// A User is one account.
type User struct {
	// Password is a bcrypt hash, as `regate hash` and `htpasswd -B` print it. It
	// is taken as it stands: nothing in it is ever replaced by a variable.
	Password string `yaml:"password"`
	// Labels are what rules may ask about the account, such as its groups. A
	// "*" in a value is a wildcard where a rule's glob mentions the label.
	Labels map[string][]string `yaml:"labels"`
	// AnyPassword lets everybody in who gives this account's name and any
	// password at all. It stands in the place of a password; default false.
	AnyPassword bool `yaml:"any_password"`
	// NoPassword makes an account that nobody logs in to with a password: robots
	// and tokens act for it, which `regate token` makes. It stands in the place
	// of a password; default false.
	NoPassword bool `yaml:"no_password"`
}

// costly is where a comparison takes seconds: each step of the cost doubles its
// time, which is about 50 ms at 10.
const costly = 14

// Validate reports all mistakes.
func (c Config) Validate() error {
	var l problem.List
	for _, account := range slices.Sorted(maps.Keys(c)) {
		l.Under(problem.Key("", account), c[account].validate(account))
	}
	c.checkCosts(&l)
	return l.Err()
}

// checkCosts warns of hashes of different costs: how long a refusal takes tells
// the cheaper accounts from those that do not exist, which are compared at the
// highest.
func (c Config) checkCosts(l *problem.List) {
	least, most := 32, 0
	for _, u := range c {
		if cost := password.Cost(u.Password); cost > 0 {
			least, most = min(least, cost), max(most, cost)
		}
	}
	if least < most {
		l.Warnf("", "the hashes have costs from %d to %d, so that the time of a refusal tells which accounts exist: make all of them with one cost", least, most)
	}
}

func (u User) validate(account string) error {
	var l problem.List
	switch {
	case account == authn.Anonymous:
		if u.Password != "" || u.AnyPassword || u.NoPassword {
			l.Addf("", `"" is whoever does not log in, and has no password`)
		}
	case u.NoPassword && u.AnyPassword:
		l.Addf("no_password", "contradicts any_password: leave one of them out")
	case u.NoPassword && u.Password != "":
		l.Addf("no_password", "contradicts password: leave one of them out")
	case u.NoPassword:
	case u.Password == "" && !u.AnyPassword:
		l.Addf("", "no password: add a bcrypt hash from `regate hash`, no_password: true if only robots act for the account, "+
			"or any_password: true to let everybody in by this name")
	case u.Password != "" && u.AnyPassword:
		l.Addf("any_password", "contradicts password: leave one of them out")
	case u.AnyPassword:
		l.Warnf("any_password", "everybody can be this account")
	default:
		checkHash(&l, u.Password)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Labels)) {
		if name == "" {
			l.Addf(problem.Key("labels", name), "a label needs a name")
		}
	}
	return l.Err()
}

// checkHash does not repeat the hash in a message: it may be the password itself.
func checkHash(l *problem.List, hash string) {
	switch {
	case !password.Valid(hash):
		l.Addf("password", "not a bcrypt hash ($2a$, $2b$ or $2y$, cost 04 to 17): make one with `regate hash`")
	case password.Cost(hash) > password.MostCost:
		l.Addf("password", "cost %d keeps a core busy for minutes at each login, or for days: make one of 10 to 12 with `regate hash`", password.Cost(hash))
	case password.Cost(hash) >= costly:
		l.Warnf("password", "cost %d makes each login take a second or more; 10 to 12 is usual", password.Cost(hash))
	}
}
