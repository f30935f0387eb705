package casbin

import (
	"errors"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/rbac"
)

// mostLinks is how many answers about roles are remembered for each function:
// a few for each line of the longest policy.
const mostLinks = 3 * mostLines

// forgetful puts functions of our own in the place of Casbin's for roles (g,
// g2, …), which never forget an answer: the name of a repository may be among
// the arguments, and anybody can make one up.
func forgetful(e *casbin.Enforcer) {
	for name, definition := range e.GetModel()["g"] {
		if definition.RM == nil { // those with conditions remember nothing
			continue
		}
		l := &links{roles: definition.RM, known: make(map[link]bool)}
		definition.RM = nil // so that Casbin does not put its own there
		e.AddFunction(name, l.call)
	}
}

// A link is a question: whether somebody has a role, in a domain if the
// function has them.
type link struct{ who, role, domain string }

// links answers questions about roles.
type links struct {
	roles rbac.RoleManager
	mu    sync.RWMutex // guards known
	known map[link]bool
}

var errRoles = errors.New("a function for roles is for two texts, or three with a domain")

// call is the function.
func (l *links) call(args ...any) (any, error) {
	if len(args) != 2 && len(args) != 3 {
		return false, errRoles
	}
	var texts [3]string
	for i, arg := range args {
		text, ok := arg.(string)
		if !ok {
			return false, errRoles
		}
		texts[i] = text
	}
	q := link{texts[0], texts[1], texts[2]}
	if has, known := l.get(q); known {
		return has, nil
	}
	has, err := l.roles.HasLink(q.who, q.role, texts[2:len(args)]...)
	if err == nil {
		l.set(q, has)
	}
	return has, err
}

func (l *links) get(q link) (has, known bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	has, known = l.known[q]
	return has, known
}

func (l *links) set(q link, has bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= mostLinks {
		clear(l.known)
	}
	l.known[q] = has
}
