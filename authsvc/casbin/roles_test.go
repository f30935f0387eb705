package casbin

import (
	"fmt"
	"testing"

	defaultroles "github.com/casbin/casbin/v2/rbac/default-role-manager"
)

// TestLinksAreBounded, and right before and after they were forgotten.
func TestLinksAreBounded(t *testing.T) {
	roles := defaultroles.NewRoleManager(10)
	if err := roles.AddLink("alice", "staff"); err != nil {
		t.Fatal(err)
	}
	l := &links{roles: roles, known: make(map[link]bool)}
	for i := range mostLinks + 10 {
		if has, err := l.call(fmt.Sprint("made up ", i), "staff"); has != false || err != nil {
			t.Fatalf("call(made up %d) = %v, %v", i, has, err)
		}
		if i%10_000 == 0 {
			if has, err := l.call("alice", "staff"); has != true || err != nil {
				t.Errorf("call(alice) = %v, %v", has, err)
			}
		}
	}
	if n := len(l.known); n > mostLinks {
		t.Errorf("%d answers are kept, want %d at most", n, mostLinks)
	}
	if err := roles.AddLink("bob", "staff", "inner"); err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]bool{"inner": true, "outer": false} {
		if has, err := l.call("bob", "staff", domain); has != want || err != nil {
			t.Errorf("call(bob) in %s = %v, %v", domain, has, err)
		}
	}
	for _, args := range [][]any{nil, {"a"}, {"a", 1}, {"a", "b", "c", "d"}} {
		if has, err := l.call(args...); has != false || err == nil {
			t.Errorf("call(%v) = %v, %v", args, has, err)
		}
	}
}
