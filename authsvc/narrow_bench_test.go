//go:build unix

package authsvc

import (
	"net/http/httptest"
	"strconv"
	"testing"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/narrow"
	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/edge"
)

// BenchmarkRobotKnownLogin is each login of a robot, whose owner a directory has
// vouched for within a quarter of an hour, with no bounds and with the most; and
// the whole request for a token.
func BenchmarkRobotKnownLogin(b *testing.B) {
	r := newRig(b)
	r.service.log = zap.NewNop()
	book := secret.New(r.store, nil, nil)
	d := &accountsOf{accounts: map[string]bool{"admin": true}}
	login := NewPersonal(book, NewVouchers([]Voucher{{"ldap", d, true}}, nil), r.login)
	r.service.users = login
	handler := edge.Stack(edge.Handler(r.service.ServeToken), edge.Log(nil, nil), edge.LimitBodies(edge.DefaultBodyLimits()))
	var bounds []authn.Bound
	for i := range narrow.Most {
		bounds = append(bounds, authn.Bound{Repository: "team-" + strconv.Itoa(i) + "/**/*-app", Actions: []string{"pull", "push"}})
	}
	for _, n := range []int{0, narrow.Most} {
		text, _, err := book.Create(b.Context(), secret.Token{Kind: secret.Robot, Owner: "admin", Method: "ldap", Name: "deploy-" + strconv.Itoa(n), Within: bounds[:n]})
		if err != nil {
			b.Fatal(err)
		}
		name := strconv.Itoa(n) + "-bounds/"
		c := authn.Credentials{Account: "admin", Password: text}
		costs(b, name+"login", func() bool { _, err := login.Authenticate(b.Context(), c); return err == nil })
		s := shown{method: "GET", basic: "admin:" + text.Reveal(), query: "service=registry.test&scope=repository:team-31/a/b-app:pull,push"}
		costs(b, name+"request", func() bool {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, s.request())
			return w.Code == 200
		})
	}
}
