package gate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/configs"
)

// elsewhere is a configuration whose accounts and rules are in MongoDB, and
// whose policy is Casbin's. None of its files is there.
func elsewhere(t *testing.T) string {
	t.Helper()
	return changed(t, config(t, "http://127.0.0.1:1", ""), "auth:\n", `auth:
  mongo_auth: {collection: users, dial_info: &mongo {addrs: [localhost], database: docker_auth, username: gate, password_file: /nowhere/password}}
  acl_mongo: {collection: acl, dial_info: *mongo}
  casbin_authz: {model_path: /nowhere/model, policy_path: /nowhere/policy}
`)
}

// TestCheckReadsFilesOfOthers: what the gate would stumble over is said before.
func TestCheckReadsFilesOfOthers(t *testing.T) {
	file, err := configs.Load(elsewhere(t))
	if err != nil {
		t.Fatal(err)
	}
	err = Check(file)
	if err == nil {
		t.Fatal("Check() has nothing to say")
	}
	for _, want := range []string{
		"auth.mongo_auth.dial_info.password_file: open /nowhere/password", "auth.acl_mongo.dial_info.password_file: open /nowhere/password",
		"auth.casbin_authz.model_path: open /nowhere/model", "auth.casbin_authz.policy_path: open /nowhere/policy",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Check() has no %q:\n%v", want, err)
		}
	}
}

// TestPolicyIsFollowed: an edit of Casbin's policy acts, and one with a mistake
// does not. No rule of the file is needed beside it.
func TestPolicyIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model, policy := filepath.Join(dir, "model"), filepath.Join(dir, "policy")
	write(t, model, `[request_definition]
r = account, type, name, service, ip, action, labels
[policy_definition]
p = account, action
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.account == p.account && r.action == p.action
`)
	write(t, policy, "p, dev, pull\n")
	path := changed(t, elsewhere(t), "/nowhere/model, policy_path: /nowhere/policy", model+", policy_path: "+policy)
	changed(t, path, ", username: gate, password_file: /nowhere/password", "")
	changed(t, path, "  acl_mongo: {collection: acl, dial_info: *mongo}\n", "")
	changed(t, path, `  acl: [{match: {account: "dev"}, actions: ["*"]}]`+"\n", "")
	g := start(t, path)
	granted := func(want string) func() bool {
		return func() bool {
			_, body, _ := g.get("https", "/auth?scope=repository:a:pull,push", "Authorization", basic)
			return strings.Contains(body, `"scope":"`+want+`"`)
		}
	}
	g.until("the policy decides", granted("repository:a:pull"))
	write(t, policy, "p, dev, push\n")
	g.until("the policy that was edited decides", granted("repository:a:push"))
	write(t, policy, "p, dev\n")
	g.until("the mistake is logged", func() bool { return g.logged("p needs 2 values") })
	if !granted("repository:a:push")() {
		t.Error("a mistake in the policy changes what is granted")
	}
}

// TestOtherCollectionsHaveOtherAccounts: whose password was good somewhere else
// is compared anew.
func TestOtherCollectionsHaveOtherAccounts(t *testing.T) {
	path := elsewhere(t)
	was, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	is, err := configs.Load(changed(t, path, "collection: users", "collection: people"))
	if err != nil {
		t.Fatal(err)
	}
	if sameAccounts(was, is) || !sameAccounts(was, was) {
		t.Error("accounts of another collection are the same ones")
	}
}
