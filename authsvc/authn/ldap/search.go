package ldap

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// A query is a search below a base.
type query struct {
	base       string
	filter     string
	attributes []string
	most       int // entries
}

// pageSize is how many entries are asked for at once (RFC 2696): an Active
// Directory gives no more than 1000.
const pageSize = 500

var errTooMany = errors.New("the directory finds more entries than are taken")

// search returns at most q.most entries, and errTooMany if there are more. It
// follows neither aliases nor referrals: what they lead to is somebody else's.
func (c *conn) search(ctx context.Context, q query) (found []entry, err error) {
	req := ldap.NewSearchRequest(q.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, seconds(c.timeout), false, q.filter, q.attributes, nil)
	paging, paged := ldap.NewControlPaging(pageSize), q.most >= pageSize
	if !paged {
		// One more than is taken, for the server to say that there are more.
		req.SizeLimit, req.EnforceSizeLimit = q.most+1, true
	} else {
		req.Controls = []ldap.Control{paging}
	}
	for {
		res, err := c.page(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, e := range res.Entries {
			found = append(found, entry{e.DN, e.Attributes})
		}
		if len(found) > q.most {
			return nil, errTooMany
		}
		next, ok := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !paged || !ok || len(next.Cookie) == 0 {
			return found, nil
		}
		paging.SetCookie(next.Cookie)
	}
}

// page asks for what fits into one answer.
func (c *conn) page(ctx context.Context, req *ldap.SearchRequest) (res *ldap.SearchResult, err error) {
	err = c.ask(ctx, func(l *ldap.Conn) error {
		res, err = l.Search(req)
		return err
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, errTooMany
	}
	return res, err
}

// touch asks the server for nothing of what it says about itself (RFC 4512 5.1).
func (c *conn) touch(ctx context.Context) error {
	req := ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, seconds(c.timeout), true, "(objectClass=*)", []string{"1.1"}, nil)
	return c.ask(ctx, func(l *ldap.Conn) error {
		_, err := l.Search(req)
		return err
	})
}

// seconds is a time limit for a server, which counts in whole ones.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }
