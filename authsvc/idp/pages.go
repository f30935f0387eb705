package idp

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"

	"github.com/regate/regate/authsvc/authn"
)

const (
	perPage  = 100
	maxPages = 50
)

var errPages = errors.New("the list has more than 5000 entries")

// hasNext is how a list says that there is more of it (RFC 8288 3). Where that
// is, it need not say: its pages have numbers.
var hasNext = regexp.MustCompile(`;\s*rel="?next"?`)

// pages reads a list, one page after the other. There is a query in address.
func pages[T any](ctx context.Context, client *http.Client, address string, token authn.Secret) (all []T, err error) {
	for n := 1; n <= maxPages; n++ {
		at := address + "&per_page=" + strconv.Itoa(perPage) + "&page=" + strconv.Itoa(n)
		r, err := get(ctx, client, at, token)
		if err != nil {
			return nil, err
		}
		var some []T
		if err := r.decode(&some); err != nil {
			return nil, err
		}
		all = append(all, some...)
		if !hasNext.MatchString(r.header.Get("Link")) {
			return all, nil
		}
	}
	return nil, errPages
}
