package ldap

import (
	"errors"
	"strings"
	"testing"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

// TestKnownUserIsNobodyElses: once the directory has found the account, trouble
// does not hand its name to those who are asked after it.
func TestKnownUserIsNobodyElses(t *testing.T) {
	for name, tt := range map[string]struct {
		fails func(ldaptest.Request) bool
		want  bool
	}{
		"the search":      {func(r ldaptest.Request) bool { return r.Op == ldaptest.Search }, false},
		"the user's bind": {func(r ldaptest.Request) bool { return r.Op == ldaptest.Bind && strings.HasPrefix(r.Name, "uid=alice") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
			s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
				if tt.fails(r) {
					return &ldaptest.Fault{Close: true}
				}
				return nil
			})
			_, err := login(t.Context(), open(t, configOf(t, s)), "alice", "secret of alice")
			if err == nil || refused(err) || errors.Is(err, authn.ErrUndecided) != tt.want {
				t.Errorf("Authenticate() = %v; want that the account is known: %v", err, tt.want)
			}
		})
	}
}
