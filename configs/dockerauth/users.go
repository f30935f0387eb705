package dockerauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/authn/static"
	"github.com/regate/regate/authsvc/password"
)

// locked is a hash that no password has: its salt and its sum are zeros. It is
// for accounts that exist in docker_auth, and that nobody gets into.
const locked = "$2y$10$" + zeros

const zeros = "....................................................."

// A user is an account of users, for the gate.
type user struct {
	static.User
	name    string
	labels  []string // in the order of the source
	comment string   // of the source
}

// readUsers makes the gate's users of docker_auth's. Of an account that is
// there twice the last one counts.
func readUsers(report *Report, root *section) []user {
	s, ok := root.child("users")
	if !ok {
		return nil
	}
	var users []user
	for _, e := range s.each() {
		if e.val.null {
			report.add(e.line, Needless, s.key(e.key), "has no value, so that docker_auth knows no such account")
			continue
		}
		before := len(*report)
		u, ok := readUser(report, s.key(e.key), e)
		if ok {
			users = append(users, u)
		}
		if report.silent(before) {
			report.kept(e.line, e.val.last, s.key(e.key))
		}
	}
	alike(users)
	return users
}

// alike gives hashes that no password has the cost of the others, so that they
// do not take another time.
func alike(users []user) {
	cost := 0
	for _, u := range users {
		if u.Password != locked {
			cost = max(cost, password.Cost(u.Password))
		}
	}
	for i := range users {
		if users[i].Password == locked && cost > 0 {
			users[i].Password = fmt.Sprintf("$2y$%02d$%s", cost, zeros)
		}
	}
}

func readUser(report *Report, path string, e entry) (u user, ok bool) {
	s := newSection(report, path, e.val)
	u = user{name: e.key, comment: strings.TrimSpace(e.comment + "\n" + e.val.comment)}
	ok = u.readPassword(report, s, e.line)
	u.readLabels(report, s)
	s.rest()
	if !sayable(u.name) {
		report.add(e.line, Changed, path, "is left out: ${env:…} can stand in secrets only")
		return u, false
	}
	return u, ok
}

// readPassword never repeats what may be the password itself.
func (u *user) readPassword(report *Report, s *section, line int) (ok bool) {
	e, given := s.find("password")
	path := s.key("password")
	switch {
	case u.name == "" && given:
		report.add(e.line, Changed, s.path, `is left out: "" is whoever does not log in, and has no password`)
		return false
	case u.name == "":
	case given && e.val.isText():
		u.setHash(report, path, e.line, e.val.text)
	case given:
		s.wrong(e.line, "password", "a text")
		u.Password = locked
	case len(s.entries) > 0 && !u.onlyLabels(s) || s.foreign:
		u.Password = locked
		report.add(max(e.line, line), Dangerous, s.path, "has no password that docker_auth would see, so there anybody who says this name gets in; here nobody does, until you have put a hash here")
	default:
		u.AnyPassword = true
		report.add(line, Dangerous, s.path, "has no password, so anybody who says this name gets in; the same here with any_password: true, but for those who give no password at all")
	}
	return true
}

// onlyLabels reports whether nothing stands there that may have been meant to
// be a password.
func (u *user) onlyLabels(s *section) bool {
	return !slices.ContainsFunc(s.entries, func(e entry) bool { return e.key != "labels" })
}

func (u *user) setHash(report *Report, path string, line int, hash string) {
	fixed := repaired(hash)
	switch cost := password.Cost(fixed); {
	case cost == 0:
		u.Password = locked
		report.add(line, Dangerous, path, "is no bcrypt hash, so nobody gets in, here as there; put one here, made with `regate hash`")
	case cost > password.MostCost:
		u.Password = locked
		report.add(line, Changed, path, "has cost %d, which keeps a core busy for minutes at each login; nobody gets in until you have put another hash here, made with `regate hash`", cost)
	case fixed != hash:
		u.Password = fixed
		report.add(line, Changed, path, "is written as %s, which docker_auth takes it for", fixed[:4])
	default:
		u.Password = hash
	}
}

// repaired is a hash as the gate wants it: Go's bcrypt, and with it
// docker_auth, does not look at the letter of the version.
func repaired(hash string) string {
	for _, odd := range []string{"$2x$", "$2$"} {
		if rest, ok := strings.CutPrefix(hash, odd); ok {
			return "$2y$" + rest
		}
	}
	return hash
}

func (u *user) readLabels(report *Report, s *section) {
	labels, ok := s.child("labels")
	if !ok {
		return
	}
	for _, e := range labels.each() {
		if e.val.null {
			continue
		}
		if values, ok := labels.textsOf(e); ok {
			u.addLabel(report, labels.key(e.key), e.line, e.key, values)
		}
	}
}

func (u *user) addLabel(report *Report, path string, line int, name string, values []string) {
	if name == "" || !sayable(name) || !sayable(strings.Join(values, "\n")) {
		report.add(line, Changed, path, "is left out: a label needs a name, and ${env:…} can stand in secrets only")
		return
	}
	for _, v := range values {
		switch {
		case strings.ContainsAny(v, `[]\`) || strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/"):
			report.add(line, Changed, path, "%q is a glob of its own, or a text, in a rule that has ${labels:%s}; docker_auth puts it into the rule's text, of which it may change the meaning", v, name)
		case strings.ContainsAny(v, "*?"):
			report.add(line, Dangerous, path, "%q is a wildcard in the glob of a rule that has ${labels:%s}, here as there", v, name)
		}
	}
	if u.Labels == nil {
		u.Labels = make(map[string][]string)
	}
	u.Labels[name], u.labels = values, append(u.labels, name)
}

// write writes the account. The anonymous without labels is {}.
func (u *user) write(p *page) {
	p.carry(u.comment)
	key := quoted(u.name)
	if len(u.labels) == 0 {
		p.line("%s: {%s}", key, u.credential())
		return
	}
	p.under(key, func() {
		if c := u.credential(); c != "" {
			p.line("%s", c)
		}
		p.under("labels", func() {
			for _, name := range u.labels {
				p.line("%s: %s", quoted(name), quotedAll(u.Labels[name]))
			}
		})
	})
}

func (u *user) credential() string {
	switch {
	case u.AnyPassword:
		return "any_password: true"
	case u.Password != "":
		return "password: " + quoted(u.Password)
	}
	return ""
}

// writeUsers writes the accounts. Where there is nobody at all, somebody must
// be there whom nobody can log in as.
func (c *converter) writeUsers(p *page, users []user, others bool) {
	if len(users) == 0 && others {
		return
	}
	p.line("")
	p.under("users", func() {
		if len(users) == 0 {
			p.note("There has to be an account. Nobody can log in with this one: put yours in its place.")
			p.line("%s: {password: %s}", quoted("nobody"), quoted(locked))
			c.open("users", "there is no account that the gate could take; add one with a password from `regate hash`")
		}
		for _, u := range users {
			u.write(p)
		}
	})
}
