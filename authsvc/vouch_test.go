package authsvc

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/secret"
)

// accountsOf has accounts, or an error for everybody.
type accountsOf struct {
	accounts map[string]bool
	down     error
	asked    int
}

func (d *accountsOf) Find(_ context.Context, account string) (authn.Identity, error) {
	d.asked++
	switch {
	case d.down != nil:
		return authn.Identity{}, d.down
	case !d.accounts[account]:
		return authn.Identity{}, authn.ErrUnknownUser
	}
	return authn.Identity{Account: account}, nil
}

// A vouchRig is a file, a directory and a database, and a clock that is moved.
type vouchRig struct {
	*Vouchers
	file, ldap, sql *accountsOf
	now             time.Time
	since           time.Time // when the token was made
}

func newVouchRig() *vouchRig {
	r := &vouchRig{file: &accountsOf{accounts: map[string]bool{}}, ldap: &accountsOf{accounts: map[string]bool{}}, sql: &accountsOf{accounts: map[string]bool{}}, now: time.Unix(1800000000, 0)}
	r.Vouchers = r.make()
	return r
}

func (r *vouchRig) make() *Vouchers {
	return NewVouchers([]Voucher{{"users", r.file, false}, {"ext_auth", nil, false}, {"ldap", r.ldap, true}, {"sql", r.sql, true}}, func() time.Time { return r.now })
}

// finds looks up an account that the key has vouched for.
func (r *vouchRig) finds(t *testing.T, key, account string, want ...error) {
	t.Helper()
	id, err := r.Find(t.Context(), key, account, r.since)
	if len(want) == 0 && (err != nil || id.Account != account) {
		t.Errorf("Find(%s, %s) = %v, %v", key, account, id, err)
	}
	for _, one := range want {
		if !errors.Is(err, one) || id.Account != "" {
			t.Errorf("Find(%s, %s) = %v, %v; want %v", key, account, id, err, one)
		}
	}
	if len(want) == 1 && !errors.Is(want[0], ErrGone) && errors.Is(err, ErrGone) {
		t.Errorf("Find(%s, %s) = %v: it is not gone for good", key, account, err)
	}
}

// TestAccountIsOfTheFirst that knows it: a name that somebody before is given is
// not that of the token's owner any more.
func TestAccountIsOfTheFirst(t *testing.T) {
	r := newVouchRig()
	r.sql.accounts["alice"] = true
	r.finds(t, "sql", "alice")
	r.file.accounts["alice"] = true
	r.finds(t, "sql", "alice", authn.ErrUnknownUser)
	r.finds(t, "users", "alice")
	delete(r.file.accounts, "alice")
	r.finds(t, "sql", "alice")
	r.finds(t, "users", "alice", authn.ErrUnknownUser) // in a file: it may be there for another gate
	r.finds(t, "mongo", "alice", authn.ErrUnknownUser) // is not configured now
	r.finds(t, "ext_auth", "alice", ErrBlind)          // cannot look up
	r.finds(t, "ldap", "alice", authn.ErrUnknownUser, ErrGone)
}

// TestTheLaterOnesAreNotAsked about what those before them vouch for.
func TestTheLaterOnesAreNotAsked(t *testing.T) {
	r := newVouchRig()
	r.ldap.accounts["alice"], r.sql.down = true, errDown
	r.finds(t, "ldap", "alice")
	r.finds(t, "ldap", "bob", authn.ErrUnknownUser, ErrGone)
	r.finds(t, "sql", "bob", errDown)
	if r.sql.asked != 1 {
		t.Errorf("sql was asked %d times", r.sql.asked)
	}
}

// TestBrokenDirectoryLocksOutItsOwnAlone, as in a login: the accounts of those
// after it are theirs, but not those that it is remembered to have.
func TestBrokenDirectoryLocksOutItsOwnAlone(t *testing.T) {
	r := newVouchRig()
	r.ldap.accounts["alice"] = true
	r.sql.accounts["alice"], r.sql.accounts["bob"] = true, true
	r.finds(t, "sql", "alice", authn.ErrUnknownUser)
	r.ldap.down = errDown
	for range 2 {
		r.finds(t, "sql", "bob")
		r.finds(t, "sql", "alice", authn.ErrUnknownUser)
		r.finds(t, "sql", "carol", authn.ErrUnknownUser, ErrGone)
		r.finds(t, "ldap", "alice")
		r.finds(t, "ldap", "bob", errDown)
		r.now = r.now.Add(recheck)
	}
	r.file.down = authn.Undecided(errDown) // it knows the account
	r.finds(t, "sql", "bob", errDown)
	r.finds(t, "ext_auth", "bob", errDown)
	r.file.down = errDown
	r.finds(t, "ext_auth", "bob", ErrBlind)
}

// TestDirectoryIsRemembered for a quarter of an hour, what it knows not as well,
// and for a day while it cannot be asked. What is in a file is not.
func TestDirectoryIsRemembered(t *testing.T) {
	r := newVouchRig()
	r.ldap.accounts["alice"], r.file.accounts["bob"] = true, true
	for range 3 {
		r.finds(t, "ldap", "alice")
		r.finds(t, "users", "bob")
	}
	if r.ldap.asked != 1 {
		t.Errorf("ldap was asked %d times", r.ldap.asked)
	}
	delete(r.ldap.accounts, "alice")
	delete(r.file.accounts, "bob")
	r.now = r.now.Add(recheck - 1)
	r.finds(t, "ldap", "alice")
	r.finds(t, "users", "bob", authn.ErrUnknownUser)
	r.now = r.now.Add(1)
	r.finds(t, "ldap", "alice", authn.ErrUnknownUser, ErrGone)
	r.ldap.accounts["alice"] = true
	r.finds(t, "ldap", "alice", authn.ErrUnknownUser, ErrGone)
	r.now = r.now.Add(recheck)
	r.finds(t, "ldap", "alice")
}

// TestTokenOfANewAccount is not ended by what was said before it was made: then
// the account was there, whatever this gate or another remembers.
func TestTokenOfANewAccount(t *testing.T) {
	r := newVouchRig()
	r.finds(t, "ldap", "alice", ErrGone)
	r.ldap.accounts["alice"] = true
	r.since = r.now.Add(time.Minute)
	r.ldap.down = errDown
	r.finds(t, "ldap", "alice", errDown)
	r.ldap.down = nil
	r.finds(t, "ldap", "alice")
	delete(r.ldap.accounts, "alice")
	r.now = r.now.Add(recheck)
	for range 2 {
		r.finds(t, "ldap", "alice", ErrGone)
	}
	if r.ldap.asked != 4 {
		t.Errorf("ldap was asked %d times", r.ldap.asked)
	}
}

func TestDirectoryThatIsDown(t *testing.T) {
	r := newVouchRig()
	r.ldap.accounts["alice"] = true
	r.finds(t, "ldap", "alice")
	said := r.now
	r.ldap.down = errDown
	r.now = r.now.Add(recheck)
	for range 5 {
		r.finds(t, "ldap", "alice")
	}
	if r.ldap.asked != 2 {
		t.Errorf("a directory that is down was asked %d times at once", r.ldap.asked-1)
	}
	for r.now.Before(said.Add(kept - askAgain)) {
		r.now = r.now.Add(askAgain)
		r.finds(t, "ldap", "alice")
	}
	r.now = said.Add(kept)
	r.finds(t, "ldap", "alice", errDown)
	r.finds(t, "ldap", "carol", errDown)
	r.ldap.down = nil
	r.finds(t, "ldap", "alice")
}

// TestReloadRemembers what was said before, and asks the new ones.
func TestReloadRemembers(t *testing.T) {
	r := newVouchRig()
	r.ldap.accounts["alice"] = true
	r.finds(t, "ldap", "alice")
	was := r.Vouchers
	r.ldap = &accountsOf{down: errDown}
	r.Vouchers = r.make()
	r.Inherit(was)
	r.finds(t, "ldap", "alice")
	r.now = r.now.Add(recheck)
	r.finds(t, "ldap", "alice")
	if r.ldap.asked != 1 {
		t.Errorf("the new directory was asked %d times", r.ldap.asked)
	}
}

// TestHolder believes nothing that was said before.
func TestHolder(t *testing.T) {
	r := newVouchRig()
	r.finds(t, "ldap", "alice", ErrGone)
	r.ldap.accounts["alice"], r.sql.accounts["alice"] = true, true
	if key, id, err := r.Holder(t.Context(), "alice"); key != "ldap" || id.Account != "alice" || err != nil {
		t.Errorf("Holder() = %s, %v, %v", key, id, err)
	}
	if key, _, err := r.Holder(t.Context(), "bob"); key != "" || !errors.Is(err, authn.ErrUnknownUser) {
		t.Errorf("Holder() of nobody = %s, %v", key, err)
	}
	r.ldap.down = errDown
	if _, _, err := r.Holder(t.Context(), "alice"); !errors.Is(err, errDown) {
		t.Errorf("Holder() while the first is down = %v", err)
	}
}

// TestOwnerGoneForGood ends the token, so that nobody who is given the name next
// has it; what may come back does not.
func TestOwnerGoneForGood(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		p := newPersonalRig(t)
		d := &accountsOf{accounts: map[string]bool{}}
		p.service.users = NewPersonal(p.book, NewVouchers([]Voucher{{"m", d, elsewhere}}, nil), p.login)
		text, _, err := p.book.Create(t.Context(), secret.Token{Kind: secret.Robot, Owner: "dev", Method: "m", Name: "deploy"})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.asks(t, "dev", text); got != 401 {
			t.Errorf("a robot of nobody: %d", got)
		}
		all, err := p.book.List(t.Context(), "dev")
		if err != nil || (len(all) == 0) != elsewhere {
			t.Errorf("elsewhere: %v; %v is left, %v", elsewhere, all, err)
		}
	}
}
