package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestHtpasswdMoves takes the file of a registry with accounts, as the real
// htpasswd made it, and gives it to a gate in front of one without.
func TestHtpasswdMoves(t *testing.T) {
	t.Parallel()
	dir := testbed.Dir(t)
	file := filepath.Join(dir, "htpasswd")
	save(t, file, "# of the old registry\n\n")
	htpasswd := func(args ...string) {
		t.Helper()
		testbed.Run(t, testbed.Command{Program: "htpasswd", Args: args, Dir: dir})
	}
	htpasswd("-Bb", "-C", "5", file, "alice", alicePassword)
	htpasswd("-Bb", "-C", "5", file, "bob", bobPassword)
	old := testbed.StartRegistry(t, testbed.RegistryConfig{Version: testbed.Registry2, Auth: fmt.Sprintf("{htpasswd: {realm: r, path: %s}}", file)})
	for password, want := range map[string]int{alicePassword: 200, "not-her-password": 401} {
		if got := asked(t, old.URL+"/v2/", "alice", password); got != want {
			t.Fatalf("the old registry answers %d, want %d", got, want)
		}
	}

	s := startDirectory(t, fmt.Sprintf(`auth:
  users: {"dev": {password: %q}}
  htpasswd_file: %s
  acl:
    - {match: {account: "alice"}, actions: ["*"]}
    - {match: {account: "/.+/"}, actions: [pull]}
`, testbed.Bcrypt(t, devPassword), file), engines{docker: testbed.StartDocker(t)})
	for _, name := range []string{"docker", "crane"} {
		alice := s.client(t, name)
		must(t, alice.Login("alice", alicePassword))
		digest, err := alice.Push("shop/"+name, version)
		must(t, err)
		bob := s.client(t, name)
		must(t, bob.Login("bob", bobPassword))
		if got, err := bob.Pull("shop/" + name + ":" + version); err != nil || got != digest {
			t.Errorf("%s: pull: %s, %v; want %s", name, got, err, digest)
		}
		if _, err := bob.Push("shop/"+name, version); err == nil {
			t.Errorf("%s: a push of bob went through", name)
		}
	}
	s.refuses(t, []refused{
		{"a wrong password", "alice", "not-her-password", "wrong password"},
		{"an unknown user", "mallory", alicePassword, "unknown user"},
	})

	htpasswd("-b", file, "carol", expiredPassword) // MD5, if nobody says otherwise
	eventually(t, "a line about the mistake", func() bool { return strings.Contains(s.gate.Log(), `the hash of \"carol\" is not of bcrypt`) })
	htpasswd("-D", file, "carol")
	htpasswd("-D", file, "bob")
	eventually(t, "bob is out", func() bool {
		status, _ := s.login(t, "bob", bobPassword, "")
		return status == 401
	})
	if status, _ := s.login(t, "alice", alicePassword, ""); status != 200 {
		t.Errorf("alice gets %d", status)
	}
}

// asked is the status of a GET.
func asked(t *testing.T, url, user, password string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	must(t, err)
	req.SetBasicAuth(user, password)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	_ = res.Body.Close()
	return res.StatusCode
}
