package casbin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
)

// The model is docker_auth's example, for names of repositories that may hold
// wildcards, and an administrator who is a role.
const goodModel = `[request_definition]
r = account, type, name, service, ip, action, labels

[policy_definition]
p = account, type, name, service, ip, action, labels

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = g(r.account, "role:admin") || (g(r.account, p.account) && r.type == p.type && keyMatch(r.name, p.name) && \
  r.service == p.service && ipMatch(r.ip, p.ip) && r.action == p.action && labelMatch(r.labels, p.labels))
`

const goodPolicy = `# who may do what
p, alice, repository, web/shop, registry, 10.0.0.0/8, pull, "{""group"": [""web""]}"
p, alice, repository, web/shop, registry, 10.0.0.0/8, push, "{""group"": [""web"", ""lead""]}"
p, role:reader, repository, web/*, registry, 0.0.0.0/0, pull, {}

g, bob, role:reader
g, root, role:admin
`

func files(t testing.TB, model, policy string) Config {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{ModelPath: filepath.Join(dir, "model.conf"), PolicyPath: filepath.Join(dir, "policy.csv")}
	for path, text := range map[string]string{cfg.ModelPath: model, cfg.PolicyPath: policy} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cfg
}

func rules(t testing.TB, model, policy string) *Rules {
	t.Helper()
	r, err := New(files(t, model, policy))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask is what alice of the group web asks for, from 10.1.2.3.
func ask(change func(*acl.Ask)) acl.Ask {
	a := acl.Ask{
		Identity: authn.Identity{Account: "alice", Labels: authn.Labels{"group": {{Value: "web"}}}},
		From:     netip.MustParseAddr("10.1.2.3"), Service: "registry",
		Want: oci.Access{Type: "repository", Name: "web/shop", Actions: oci.All},
	}
	if change != nil {
		change(&a)
	}
	return a
}

var decideTests = []struct {
	name   string
	change func(*acl.Ask)
	want   oci.Actions
}{
	{"her label", nil, oci.Pull},
	{"both labels", func(a *acl.Ask) {
		a.Identity.Labels["group"] = append(a.Identity.Labels["group"], authn.Label{Value: "lead"})
	}, oci.Pull | oci.Push},
	{"no label", func(a *acl.Ask) { a.Identity.Labels = nil }, 0},
	{"another name", func(a *acl.Ask) { a.Want.Name = "web/shop2" }, 0},
	{"another network", func(a *acl.Ask) { a.From = netip.MustParseAddr("192.0.2.1") }, 0},
	{"her network as IPv6", func(a *acl.Ask) { a.From = netip.MustParseAddr("::ffff:10.1.2.3") }, oci.Pull},
	{"another service", func(a *acl.Ask) { a.Service = "other" }, 0},
	{"a role", func(a *acl.Ask) { a.Identity.Account = "bob" }, oci.Pull},
	{"everything", func(a *acl.Ask) { a.Identity.Account = "root" }, oci.All},
	{"the catalog", func(a *acl.Ask) { a.Identity.Account, a.Want = "root", oci.CatalogAccess() }, oci.Any},
	{"no catalog", func(a *acl.Ask) { a.Want = oci.CatalogAccess() }, 0},
	{"nobody", func(a *acl.Ask) { a.Identity = authn.Identity{} }, 0},
	{"no more than asked for", func(a *acl.Ask) { a.Identity.Account, a.Want.Actions = "root", oci.Pull }, oci.Pull},
}

func TestDecide(t *testing.T) {
	r := rules(t, goodModel, goodPolicy)
	for _, tt := range decideTests {
		granted, decided, err := r.Decide(t.Context(), ask(tt.change))
		if granted != tt.want || !decided || err != nil {
			t.Errorf("%s: Decide() = %v, %v, %v; want %v", tt.name, granted, decided, err, tt.want)
		}
	}
}

// TestErrorsAreNoRefusals: what cannot be computed for somebody is not said to
// be forbidden, nor left out.
func TestErrorsAreNoRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		policy string
		change func(*acl.Ask)
	}{
		"a network that is none":       {"p, alice, repository, web/shop, registry, everywhere, pull, {}\n", nil},
		"an address that nobody knows": {goodPolicy, func(a *acl.Ask) { a.From = netip.Addr{} }},
	} {
		t.Run(name, func(t *testing.T) {
			granted, decided, err := rules(t, goodModel, tt.policy).Decide(t.Context(), ask(tt.change))
			if err == nil || granted != 0 || decided {
				t.Fatalf("Decide() = %v, %v, %v", granted, decided, err)
			}
			if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "casbin_authz: panic: invalid argument: ip") {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

// TestNotAllIsKept of what was asked: anybody can make up names.
func TestNotAllIsKept(t *testing.T) {
	model := strings.NewReplacer("g = _, _", "g = _, _\ng2 = _, _\ng3 = _, _, _", "keyMatch(r.name, p.name)", "g2(r.name, p.name) && !g3(r.name, p.name, r.service)").Replace(goodModel)
	var policy strings.Builder
	policy.WriteString("g2, web/shop, group0\ng3, web/closed, group0, registry\ng2, web/closed, group0\n")
	for i := range 20 {
		fmt.Fprintf(&policy, "p, alice, repository, group%d, registry, 10.0.0.0/8, pull, {}\n", i)
	}
	r := rules(t, model, policy.String())
	for name, want := range map[string]oci.Actions{"web/shop": oci.Pull, "web/closed": 0, "web/other": 0} {
		if granted, _, err := r.Decide(t.Context(), ask(func(a *acl.Ask) { a.Want.Name = name })); granted != want || err != nil {
			t.Errorf("%s: Decide() = %v, %v; want %v", name, granted, err, want)
		}
	}
	before := heap()
	for i := range 2500 {
		_, _, _ = r.Decide(t.Context(), ask(func(a *acl.Ask) {
			a.Want.Name, a.Want.Actions = fmt.Sprint("made/up/", i, strings.Repeat("x", 200)), oci.Pull
		}))
	}
	if grown := int64(heap()) - int64(before); grown > 9<<20 {
		t.Errorf("2500 questions about made-up names have left %d KiB", grown>>10)
	}
	runtime.KeepAlive(r)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestDenials: a policy of refusals refuses.
func TestDenials(t *testing.T) {
	r := rules(t, denyModel, `p, alice, repository, *, registry, 0.0.0.0/0, pull, {}, allow
p, alice, repository, web/*, registry, 0.0.0.0/0, pull, {}, deny
`)
	for name, want := range map[string]oci.Actions{"other": oci.Pull, "web/shop": 0} {
		granted, _, err := r.Decide(t.Context(), ask(func(a *acl.Ask) { a.Want.Name = name }))
		if granted != want || err != nil {
			t.Errorf("%s: Decide() = %v, %v", name, granted, err)
		}
	}
}

func TestBusy(t *testing.T) {
	r := rules(t, goodModel, goodPolicy)
	for range cap(r.turns) {
		r.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Decide(ctx, ask(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("Decide() = %v while others have all turns", err)
	}
	<-r.turns
	if granted, _, err := r.Decide(t.Context(), ask(nil)); granted != oci.Pull || err != nil {
		t.Errorf("Decide() = %v, %v", granted, err)
	}
}

func TestDecideAtOnce(t *testing.T) {
	r := rules(t, goodModel, goodPolicy)
	var all sync.WaitGroup
	for i := range 50 {
		tt := decideTests[i%len(decideTests)]
		all.Go(func() {
			if granted, _, err := r.Decide(t.Context(), ask(tt.change)); granted != tt.want || err != nil {
				t.Errorf("%s: Decide() = %v, %v", tt.name, granted, err)
			}
		})
	}
	all.Wait()
}

// TestPrintsNothing: docker_auth writes everybody's labels to its output.
func TestPrintsNothing(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	os.Stdout, os.Stderr = out, out
	_, _, err = rules(t, goodModel, goodPolicy).Decide(t.Context(), ask(nil))
	if size, _ := out.Seek(0, 1); err != nil || size > 0 {
		t.Errorf("%d bytes were printed, %v", size, err)
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, lines := range []int{10, 1000, mostLines} {
		var policy strings.Builder
		for i := range lines {
			fmt.Fprintf(&policy, "p, user%d, repository, web/shop, registry, 10.0.0.0/8, pull, {}\n", i)
		}
		r := rules(b, goodModel, policy.String())
		b.Run(fmt.Sprint(lines), func(b *testing.B) {
			for b.Loop() {
				_, _, _ = r.Decide(b.Context(), ask(func(a *acl.Ask) { a.Want.Actions = oci.Pull }))
			}
		})
	}
}
