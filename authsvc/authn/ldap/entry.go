package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
)

// An entry is what the directory has about an account, or a group.
type entry struct {
	dn         string
	attributes []*ldap.EntryAttribute
}

// values are those of an attribute, whose name is written in any case.
func (e entry) values(name string) []string {
	for _, a := range e.attributes {
		if strings.EqualFold(a.Name, name) {
			return a.Values
		}
	}
	return nil
}

var (
	errSeveral = errors.New("the filter finds more than one entry for the account: make it find one")
	errNoName  = errors.New("the directory gives an entry without a name")
)

// account finds the one entry of an account.
func (d *Directory) account(ctx context.Context, k *conn, account string) (entry, error) {
	found, err := k.search(ctx, query{
		base:       d.cfg.Base,
		filter:     inFilter(d.cfg.Filter, account, ""),
		attributes: d.wanted,
		most:       1,
	})
	switch {
	case errors.Is(err, errTooMany), len(found) > 1:
		return entry{}, errSeveral
	case err != nil:
		return entry{}, err
	case len(found) == 0:
		return entry{}, authn.ErrUnknownUser
	case found[0].dn == "":
		return entry{}, errNoName
	}
	return found[0], found[0].whole()
}

// whole reports an attribute of which an Active Directory gives only a part,
// memberOf;range=0-1499. What is missing could be the group that a rule refuses.
func (e entry) whole() error {
	for _, a := range e.attributes {
		name, part, cut := strings.Cut(strings.ToLower(a.Name), ";range=")
		if cut && !strings.HasSuffix(part, "-*") {
			return fmt.Errorf("the account has more values of %s than the directory gives at once: find its groups by groups", name)
		}
	}
	return nil
}

// The attributes that say whether an account is disabled.
const (
	userAccountControl   = "userAccountControl"   // Active Directory: 2 is ACCOUNTDISABLE
	accountExpires       = "accountExpires"       // Active Directory: 100 ns since 1601
	nsAccountLock        = "nsAccountLock"        // 389 Directory Server, FreeIPA
	pwdAccountLockedTime = "pwdAccountLockedTime" // OpenLDAP's ppolicy
)

// attributes lists all that is read of an account.
func (d *Directory) attributes() []string {
	names := append([]string{userAccountControl, accountExpires, nsAccountLock, pwdAccountLockedTime}, d.names...)
	for _, label := range d.cfg.Labels {
		names = append(names, label.Attribute)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// disabled says why an account cannot be used; "" if it can. When somebody
// logs in, the directory itself looks at this; it does not when somebody else
// looks for the account.
func (e entry) disabled() string {
	flags, _ := strconv.ParseInt(e.first(userAccountControl), 10, 64)
	switch {
	case flags&2 != 0, strings.EqualFold(e.first(nsAccountLock), "true"):
		return "the account is disabled"
	case e.first(pwdAccountLockedTime) == "000001010000Z": // for good; others pass
		return "the account is locked"
	case e.expired(time.Now()):
		return "the account has expired"
	}
	return ""
}

// expired reads an Active Directory's time, of which 0 and the largest number
// mean never ([MS-ADA1] 2.1).
func (e entry) expired(now time.Time) bool {
	const from1601to1970 = 11_644_473_600 // seconds
	ticks, err := strconv.ParseInt(e.first(accountExpires), 10, 64)
	if err != nil || ticks <= 0 || ticks == 1<<63-1 {
		return false
	}
	return time.Unix(ticks/10_000_000-from1601to1970, 0).Before(now)
}

func (e entry) first(name string) string {
	if values := e.values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}
