package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// saw tells whether the registry answered a request for the path with the
// status, by its access log.
func (s *site) saw(method, path string, status int) bool {
	line := fmt.Sprintf(`"%s %s(\?\S*)? HTTP/1.1" %d `, method, regexp.QuoteMeta(path), status)
	return regexp.MustCompile(line).MatchString(s.registry.Log())
}

// mounted tells whether the registry mounted a layer into the repository.
func (s *site) mounted(repo string) bool {
	line := fmt.Sprintf(`"POST /v2/%s/blobs/uploads/\?\S*mount=\S* HTTP/1.1" 201 `, regexp.QuoteMeta(repo))
	return regexp.MustCompile(line).MatchString(s.registry.Log())
}

// logged tells whether the gate has an access line with these values.
func (s *site) logged(subject, repo string, status int) bool {
	for line := range strings.Lines(s.gate.Log()) {
		var l struct {
			Subject string `json:"subject"`
			Repo    string `json:"repo"`
			Status  int    `json:"status"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Subject == subject && l.Repo == repo && l.Status == status {
			return true
		}
	}
	return false
}

// token logs in at the gate as a script does and returns the token.
func (s *site) token(t testing.TB, user, password, scope string) string {
	t.Helper()
	req, err := http.NewRequest("GET", s.gate.URL+"/auth?"+url.Values{"service": {"registry"}, "scope": {scope}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	var reply struct {
		Token string `json:"token"`
	}
	s.fetch(t, req, &reply)
	if reply.Token == "" {
		t.Fatal("an answer of /auth without a token")
	}
	return reply.Token
}

// platforms counts what the index lists, as the gate serves it.
func (s *site) platforms(t testing.TB, repo, digest string) int {
	t.Helper()
	req, err := http.NewRequest("GET", s.gate.URL+"/v2/"+repo+"/manifests/"+digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token(t, "dev", devPassword, "repository:"+repo+":pull"))
	req.Header.Add("Accept", "application/vnd.oci.image.index.v1+json")
	req.Header.Add("Accept", "application/vnd.docker.distribution.manifest.list.v2+json")
	var index struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	s.fetch(t, req, &index)
	return len(index.Manifests)
}

// fetch sends a request and decodes the JSON of a 200.
func (s *site) fetch(t testing.TB, req *http.Request, into any) {
	t.Helper()
	res, err := s.gate.CA.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 {
		t.Fatalf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s %s: %v in %s", req.Method, req.URL.Path, err, body)
	}
}
