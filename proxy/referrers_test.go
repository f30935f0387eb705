package proxy

import (
	"io"
	"net/http"
	"testing"
)

// TestReferrersPass: of a registry that has them, they are passed on as they are,
// with what it says of the filter.
func TestReferrersPass(t *testing.T) {
	t.Parallel()
	const index = `{"schemaVersion":2, "mediaType":"application/vnd.oci.image.index.v1+json", "manifests":[{"annotations":{"name":"team/app"}}]}`
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Oci-Filters-Applied", "artifactType")
		w.Header().Set("Warning", `299 - "old"`)
		_, _ = io.WriteString(w, index)
	}, setup{routes: []RouteConfig{{Registry: "main", Add: "prod"}}})
	res, body, _ := g.do(t, call{path: "/v2/team/app/referrers/" + someDigest + "?artifactType=a%2Fb", auth: bearer("ann", "repository:team/app:pull")})
	h := res.Header
	if res.StatusCode != 200 || body != index || h.Get("Content-Type") != "application/vnd.oci.image.index.v1+json" || h.Get("Oci-Filters-Applied") != "artifactType" || h.Get("Warning") != `299 - "old"` {
		t.Errorf("%s %v %s", res.Status, h, body)
	}
	checkSeen(t, g, "GET /v2/prod/team/app/referrers/"+someDigest+"?artifactType=a%2Fb", "")
}
