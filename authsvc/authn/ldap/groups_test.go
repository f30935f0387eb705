package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

func dnOf(uid string) string { return "uid=" + uid + "," + people }

func groupDN(cn string) string { return "cn=" + cn + ",ou=groups,dc=example,dc=com" }

// valuesOf are those of a label of somebody who logs in.
func valuesOf(t *testing.T, d *Directory, account, label string) (values []string, err error) {
	t.Helper()
	id, err := login(t.Context(), d, account, secretOf(account))
	for _, l := range id.Labels[label] {
		values = append(values, l.Value)
	}
	return values, err
}

var nestedGroups = []ldaptest.Entry{
	service, person("alice"), person("bob"), person("carol"),
	group("devs", dnOf("alice")),
	group("web", dnOf("alice"), dnOf("bob")),
	group("staff", groupDN("devs"), groupDN("loop")),
	group("all", groupDN("staff"), groupDN("web")),
	group("loop", groupDN("all")), // which is in all again
	group("others", dnOf("carol"), "cn=DEVS2,ou=groups,dc=example,dc=com"),
	{DN: groupDN("unique"), Attributes: map[string][]string{"cn": {"Unique"}, "uniqueMember": {dnOf("bob")}}},
	{DN: groupDN("posix"), Attributes: map[string][]string{"cn": {"posix"}, "memberUid": {"bob"}}},
}

var groupTests = []struct {
	name    string
	groups  GroupsConfig
	account string
	want    string
}{
	{"members", GroupsConfig{}, "alice", "devs web"},
	{"unique members", GroupsConfig{}, "bob", "Unique web"},
	{"lower case", GroupsConfig{LowerCase: true}, "bob", "unique web"},
	{"by account", GroupsConfig{Filter: "(memberUid=${account})"}, "bob", "posix"},
	{"whole DN", GroupsConfig{Attribute: "dn", Filter: "(&(cn=devs)(member=${dn}))"}, "alice", groupDN("devs")},
	{"nested, in a circle", GroupsConfig{Nested: NestedSearch}, "alice", "all devs loop staff web"},
	{"nested, from another place", GroupsConfig{Nested: NestedSearch}, "bob", "Unique all loop staff web"},
	{"two deep", GroupsConfig{Nested: NestedSearch, Depth: 2}, "alice", "all devs staff web"},
	{"one deep", GroupsConfig{Nested: NestedSearch, Depth: 1}, "alice", "devs web"},
	{"elsewhere", GroupsConfig{Base: people, Nested: NestedSearch}, "alice", ""},
	{"in none", GroupsConfig{Nested: NestedSearch, Filter: "(owner=${dn})"}, "alice", ""},
}

func TestGroups(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, nestedGroups...)
	for _, tt := range groupTests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := configOf(t, s)
			if tt.groups.Base == "" {
				tt.groups.Base = "ou=groups,dc=example,dc=com"
			}
			cfg.Groups = &tt.groups
			got, err := valuesOf(t, open(t, cfg), tt.account, "groups")
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("groups of %s = %q, %v; want %q", tt.account, got, err, tt.want)
			}
			if id, err := open(t, cfg).Find(t.Context(), tt.account); err != nil || len(id.Labels["groups"]) != len(got) {
				t.Errorf("Find() = %+v, %v", id, err)
			}
		})
	}
}

// TestGroupsOfOddAccounts: what is a DN becomes part of a filter.
func TestGroupsOfOddAccounts(t *testing.T) {
	odd := person("odd")
	odd.DN = `cn=Smith\, (Al) *,` + people
	s := ldaptest.Start(t, ldaptest.Options{}, service, odd, group("one", odd.DN), group("two", dnOf("x")))
	cfg := configOf(t, s)
	cfg.Groups = &GroupsConfig{Base: "dc=example,dc=com"}
	if got, err := valuesOf(t, open(t, cfg), "odd", "groups"); err != nil || strings.Join(got, " ") != "one" {
		t.Errorf("groups = %q, %v", got, err)
	}
}

// TestChainsAreActiveDirectorysWork: it is asked once.
func TestChainsAreActiveDirectorysWork(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	cfg := configOf(t, s)
	cfg.Groups = &GroupsConfig{Nested: NestedDirectory}
	if _, err := login(t.Context(), open(t, cfg), "alice", "secret of alice"); err != nil {
		t.Fatal(err)
	}
	searches := s.Requests(ldaptest.Search)
	if want := "(member:1.2.840.113556.1.4.1941:=uid=alice," + people + ")"; len(searches) != 2 || searches[1].Filter != want {
		t.Errorf("searches: %+v", searches)
	}
}

// TestManyGroupsAreAskedTogether: a level of 200 groups is four searches.
func TestManyGroupsAreAskedTogether(t *testing.T) {
	entries := []ldaptest.Entry{service, person("alice")}
	var want []string
	for i := range 200 {
		low, high := fmt.Sprintf("g%03d", i), fmt.Sprintf("h%03d", i)
		entries = append(entries, group(low, dnOf("alice")), group(high, groupDN(low)))
		want = append(want, low, high)
	}
	slices.Sort(want)
	s := ldaptest.Start(t, ldaptest.Options{}, entries...)
	cfg := configOf(t, s)
	cfg.Groups = &GroupsConfig{Base: "dc=example,dc=com", Nested: NestedSearch}
	got, err := valuesOf(t, open(t, cfg), "alice", "groups")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d groups, %v; want %d", len(got), err, len(want))
	}
	if n := len(s.Requests(ldaptest.Search)); n != 1+1+4+4 {
		t.Errorf("%d searches", n)
	}
}

// TestTooManyGroups are trouble, and no login with some of them: what is
// missing could be the one that a rule refuses.
func TestTooManyGroups(t *testing.T) {
	entries := []ldaptest.Entry{service, person("alice")}
	for i := range maxGroups + 1 {
		entries = append(entries, group(fmt.Sprint(i), dnOf("alice")))
	}
	s := ldaptest.Start(t, ldaptest.Options{}, entries...)
	cfg := configOf(t, s)
	cfg.Groups = &GroupsConfig{Base: "dc=example,dc=com"}
	if _, err := valuesOf(t, open(t, cfg), "alice", "groups"); !errors.Is(err, errTooMany) || refused(err) {
		t.Errorf("with %d groups: %v", maxGroups+1, err)
	}
	s.Set(entries[:maxGroups]...)
	s.Fail(nil)
	if got, err := valuesOf(t, open(t, cfg), "alice", "groups"); len(got) != maxGroups-2 || err != nil {
		t.Errorf("%d groups, %v", len(got), err)
	}
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if strings.Contains(r.Filter, "member") {
			return &ldaptest.Fault{Code: 4} // the server's own limit
		}
		return nil
	})
	if _, err := valuesOf(t, open(t, cfg), "alice", "groups"); !errors.Is(err, errTooMany) {
		t.Errorf("at the server's own limit: %v", err)
	}
}

// TestTimeForGroupsEnds, and the server is not blamed for it.
func TestTimeForGroupsEnds(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, nestedGroups...)
	hang := make(chan struct{})
	defer close(hang)
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if strings.Contains(r.Filter, "cn=staff") {
			return &ldaptest.Fault{Wait: hang}
		}
		return nil
	})
	cfg := configOf(t, s)
	cfg.Groups = &GroupsConfig{Base: "dc=example,dc=com", Nested: NestedSearch, Timeout: 500 * time.Millisecond}
	d, logged := openLogged(t, cfg)
	if _, err := valuesOf(t, d, "alice", "groups"); !errors.Is(err, errGroupsSlow) || refused(err) || !strings.Contains(err.Error(), "groups.timeout is 500ms") {
		t.Errorf("Authenticate() = %v", err)
	}
	if got, err := valuesOf(t, d, "carol", "groups"); err != nil || strings.Join(got, " ") != "others" {
		t.Errorf("groups of somebody else = %q, %v", got, err)
	}
	if logged.Len() > 0 {
		t.Errorf("logged: %v", logged.All())
	}
}

// TestPartOfAnAttribute is not taken for all of it.
func TestPartOfAnAttribute(t *testing.T) {
	for name, want := range map[string]bool{"memberOf;range=0-1499": true, "memberOf;range=1500-*": false, "memberOf": false} {
		e := entry{attributes: []*ldap.EntryAttribute{{Name: name, Values: []string{"x"}}}}
		if err := e.whole(); (err != nil) != want || want && !strings.Contains(err.Error(), "memberof") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLabels are docker_auth's, and taken literally but for those that the
// operator lists.
func TestLabels(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice",
		"memberOf", "CN=Web Team,OU=Groups,DC=example,DC=com", "memberOf", `cn=a\,b,dc=x`, "memberOf", "ou=no cn", "memberOf", "no DN",
		"memberOf", "OU=below,CN=Above,DC=x", "pattern", "lab/*", "pattern", "lab/*", "empty", ""), group("from-search", dnOf("alice")))
	cfg := configOf(t, s)
	cfg.Labels = map[string]LabelConfig{
		"raw":     {Attribute: "MEMBEROF"},
		"cn":      {Attribute: "memberOf", ParseCN: true},
		"lower":   {Attribute: "memberOf", ParseCN: true, LowerCase: true},
		"pattern": {Attribute: "pattern"},
		"quoted":  {Attribute: "pattern"},
		"absent":  {Attribute: "telephoneNumber"},
		"empty":   {Attribute: "empty"},
	}
	cfg.Groups = &GroupsConfig{Base: "dc=example,dc=com", Label: "cn"}
	cfg.LabelPatterns = []string{"pattern"}
	id, err := login(t.Context(), open(t, cfg), "alice", "secret of alice")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"raw":     `CN=Web Team,OU=Groups,DC=example,DC=com|OU=below,CN=Above,DC=x|cn=a\,b,dc=x|no DN|ou=no cn`,
		"cn":      "Above|Web Team|a,b|from-search|no DN|ou=no cn",
		"lower":   "a,b|above|no dn|ou=no cn|web team",
		"pattern": "lab/*",
		"quoted":  "lab/*",
		"absent":  "",
		"empty":   "",
	} {
		var got []string
		for _, l := range id.Labels[name] {
			if l.Pattern != (name == "pattern") {
				t.Errorf("%s: %q is a pattern: %v", name, l.Value, l.Pattern)
			}
			got = append(got, l.Value)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if len(id.Labels) != 5 {
		t.Errorf("labels: %+v", id.Labels)
	}
}

// Nobody logs in without groups that a rule may refuse.
func TestLoginWithAPartOfTheGroups(t *testing.T) {
	const part = "memberOf;range=0-1499"
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice", part, "cn=a"))
	cfg := configOf(t, s)
	cfg.Labels = map[string]LabelConfig{"groups": {Attribute: part}} // has it sent
	if id, err := login(t.Context(), open(t, cfg), "alice", secretOf("alice")); err == nil || refused(err) {
		t.Errorf("Authenticate() = %v, %v", id, err)
	}
}
