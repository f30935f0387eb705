package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestCurlWithoutToken does with curl what scripts do that know no tokens: a
// user and a password with each request. What the registry sees is what it
// trusts the gate by, in each mode.
func TestCurlWithoutToken(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		if m.unchecked { // whoever checks says what is shown
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			s := startSite(t, m, testbed.Registry3, engines{})
			c := curl{t, s, nil}
			s.seed(t, "team/app", "other/app")
			_, challenge := c.get("/v2/_catalog")

			for _, tt := range []struct {
				user, path string
				want       int
				wantBody   string
			}{
				{"admin:" + adminPassword, "/v2/_catalog", 200, `{"repositories":["other/app","team/app"]}`},
				{"admin:" + adminPassword, "/v2/", 200, "{}"},
				{"dev:" + devPassword, "/v2/team/app/tags/list", 200, `"tags":["x"]`},
				{"dev:" + devPassword, "/v2/other/app/tags/list", 401, "dev may not pull from other/app"},
				{"dev:" + devPassword, "/v2/_catalog", 401, "dev may not list all repositories"},
				{"admin:" + devPassword, "/v2/_catalog", 401, "wrong user name or password"},
				{"nobody:x", "/v2/pub/app/tags/list", 401, "wrong user name or password"},
			} {
				status, answer := c.get(tt.path, "-u", tt.user)
				if status != tt.want || !strings.Contains(answer, tt.wantBody) {
					t.Errorf("GET %s as %s: %d %s, want %d with %s", tt.path, tt.user, status, answer, tt.want, tt.wantBody)
				}
			}
			if _, again := c.get("/v2/_catalog", "-u", "admin:no"); header(again, "www-authenticate") != header(challenge, "www-authenticate") {
				t.Errorf("the challenge for a wrong password is another one:\n%s\n%s", again, challenge)
			}
			c.upload("dev:" + devPassword)
		})
	}
}

// A curl is the program, with what it needs to trust the gate.
type curl struct {
	t    *testing.T
	site *site
	args []string
}

// get returns the status of an answer, and the answer with its header.
func (c curl) get(path string, args ...string) (status int, answer string) {
	c.t.Helper()
	args = append([]string{"-s", "-S", "-i", "--cacert", c.site.gate.CA.File}, args...)
	if !strings.Contains(path, "://") {
		path = c.site.gate.URL + path
	}
	answer = testbed.Run(c.t, testbed.Command{Program: "curl", Dir: testbed.Dir(c.t), Args: append(append(args, c.args...), path)})
	answer = answer[strings.LastIndex(answer, "HTTP/"):] // after a 100
	if _, err := fmt.Sscanf(answer[strings.IndexByte(answer, ' '):], "%d", &status); err != nil {
		c.t.Fatalf("no status in %q", answer)
	}
	return status, answer
}

// upload pushes a blob and fetches it.
func (c curl) upload(user string) {
	c.t.Helper()
	const text = "what a script has to keep"
	file := filepath.Join(testbed.Dir(c.t), "blob")
	must(c.t, os.WriteFile(file, []byte(text), 0o600))
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))

	status, begun := c.get("/v2/team/app/blobs/uploads/", "-u", user, "-X", "POST")
	if status != 202 {
		c.t.Fatalf("POST: %s", begun)
	}
	if status, done := c.get(header(begun, "location")+"&digest="+digest, "-u", user, "-T", file); status != 201 {
		c.t.Fatalf("PUT: %s", done)
	}
	if status, got := c.get("/v2/team/app/blobs/"+digest, "-u", user); status != 200 || !strings.HasSuffix(got, text) {
		c.t.Errorf("GET: %d %s", status, got)
	}
}

// header is a field of an answer.
func header(answer, name string) string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if key, value, _ := strings.Cut(line, ":"); strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
