package oci

import (
	"strings"
	"testing"
)

func TestNamespace(t *testing.T) {
	for target, want := range map[string]string{
		"/v2/a/manifests/x":                   "",
		"/v2/a/manifests/x?ns=Docker.IO":      "docker.io",
		"/v2/a/tags/list?n=1&ns=[::1]:5000":   "[::1]:5000",
		"/v2/?ns=quay.io":                     "quay.io",
		"/v2/_catalog?ns=localhost:5000&last": "localhost:5000",
	} {
		r, err := Parse("GET", target)
		if err != nil || r.Namespace != want {
			t.Errorf("Parse(%s): namespace %q, %v, want %q", target, r.Namespace, err, want)
		}
		if strings.Contains(r.RawQuery(), "ns") {
			t.Errorf("Parse(%s) would send %s", target, r.RawQuery())
		}
	}
}

// TestAction pins where each request goes if pushes go elsewhere than pulls.
func TestAction(t *testing.T) {
	upload := "/v2/a/blobs/uploads/" + someUUID
	for call, want := range map[string]Actions{
		"GET /v2/":                             Pull,
		"GET /v2/_catalog":                     Pull,
		"GET /v2/a/tags/list":                  Pull,
		"HEAD /v2/a/manifests/x":               Pull,
		"PUT /v2/a/manifests/x":                Push,
		"DELETE /v2/a/manifests/x":             Delete,
		"HEAD /v2/a/blobs/" + someDigest:       Pull,
		"DELETE /v2/a/blobs/" + someDigest:     Delete,
		"POST /v2/a/blobs/uploads/":            Push,
		"GET " + upload:                        Push,
		"PATCH " + upload:                      Push,
		"PUT " + upload:                        Push,
		"DELETE " + upload:                     Push,
		"GET /v2/a/referrers/" + someDigest:    Pull,
		"GET /v2/a/manifests/sha256-abc?ns=x.": Pull,
	} {
		method, target, _ := strings.Cut(call, " ")
		r, err := Parse(method, target)
		if err != nil || r.Action() != want {
			t.Errorf("%s is %v (%v), want %v", call, r.Action(), err, want)
		}
	}
}

func TestRenamed(t *testing.T) {
	mount, err := Parse("POST", "/v2/a/b/blobs/uploads/?mount="+someDigest+"&from=c/d")
	if err != nil {
		t.Fatal(err)
	}
	r, err := mount.Renamed("x", "y/z")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Path()+"?"+r.RawQuery(), "/v2/x/blobs/uploads/?from=y%2Fz&mount=sha256%3A"+someDigest[7:]; got != want {
		t.Errorf("renamed: %s, want %s", got, want)
	}
	if got, want := NewScope(r.UpstreamNeeds()...).String(), "repository:x:pull,push repository:y/z:pull"; got != want {
		t.Errorf("renamed needs %s, want %s", got, want)
	}
	long := strings.Repeat("a", 256)
	for _, names := range [][2]string{{long, "y"}, {"x", long}, {"", "y"}, {"x", ""}, {"x/../y", "y"}, {"x", "Y"}} {
		if _, err := mount.Renamed(names[0], names[1]); err == nil || AsError(err).Kind != InvalidName {
			t.Errorf("Renamed(%.9s, %.9s): %v", names[0], names[1], err)
		}
	}
	if _, err := mount.WithoutMount().Renamed("x", "y"); err == nil {
		t.Error("a request without a mount got a source")
	}
}
