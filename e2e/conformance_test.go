package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestConformance asks a registry and a gate in front of another one the same
// hundreds of questions, in every trust mode: whatever a conformance suite finds
// behind the gate is what it finds without it. The differences that there are
// have a row in differences.
func TestConformance(t *testing.T) {
	t.Parallel()
	known := make([]atomic.Bool, len(differences))
	var compared atomic.Int32
	t.Cleanup(func() {
		for i := range known {
			if int(compared.Load()) == len(testbed.Versions)*len(modes) && !known[i].Load() {
				t.Errorf("nothing differs as row %d says (%s, protocol.md %s)", i, differences[i].field, differences[i].why)
			}
		}
	})
	for _, v := range testbed.Versions {
		r := testbed.StartRegistry(t, testbed.RegistryConfig{Version: v})
		straight := &caller{t: t, client: &http.Client{CheckRedirect: unfollowed}, origin: r.URL}
		straight.suite()
		for _, m := range modes {
			t.Run(string(v)+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				s := startSite(t, m, v, engines{})
				through := &caller{t: t, client: s.gate.CA.HTTP(), origin: s.gate.URL, token: s.token(t, "admin", adminPassword, suiteScope())}
				through.client.CheckRedirect = unfollowed
				through.suite()
				compareAnswers(t, v, straight.answers, through.answers, known)
				compared.Add(1)
			})
		}
	}
}

func unfollowed(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// suiteScope is for all repositories of the suite.
func suiteScope() string {
	var all []string
	for _, name := range strings.Fields("mono stream chunk order cancel bad source target other blob nowhere range app index art sha tags del") {
		all = append(all, "repository:suite/"+name+":pull,push,delete")
	}
	return strings.Join(all, " ")
}

var (
	uploadID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	opaque   = regexp.MustCompile(`(_state|rg)=[^&">]*&?`)
	boundary = regexp.MustCompile(`[0-9a-f]{60}`)
)

// plain is a text without what differs from one registry to the next: where it
// is, and the ids and states of its uploads.
func (c *caller) plain(text string) string {
	text = strings.ReplaceAll(text, c.origin, "")
	text = opaque.ReplaceAllString(text, "")
	text = uploadID.ReplaceAllString(text, "UPLOAD")
	return strings.TrimRight(text, "?&")
}

// compareAnswers says what the gate has changed, and notes which rows of
// differences tell of it.
func compareAnswers(t *testing.T, v testbed.Version, straight, through []answer, known []atomic.Bool) {
	t.Helper()
	if len(straight) != len(through) {
		t.Fatalf("%d answers through the gate, %d without it", len(through), len(straight))
	}
	for i, want := range straight {
		got := through[i]
		if got.call != want.call {
			t.Fatalf("answer %d is to %s through the gate, and to %s without it", i, got.call, want.call)
		}
		for _, d := range compare(want, got) {
			d.version = v
			if row := slices.IndexFunc(differences, d.is); row >= 0 {
				known[row].Store(true)
			} else {
				t.Errorf("%s: %s\n%s is %q without the gate, and %q through it", want.step, want.call, d.field, d.straight, d.through)
			}
		}
	}
}

// A difference is a field of an answer that is not what the registry itself says.
type difference struct {
	step, call, field string // of a row in differences, regular expressions
	straight, through string // the same

	version testbed.Version // "" for both
	why     string          // a section of protocol.md
}

// is reports whether a difference that was found is one of a row.
func (d difference) is(row difference) bool {
	like := func(pattern, text string) bool {
		return regexp.MustCompile("(?s)^(?:" + pattern + ")$").MatchString(text)
	}
	any := func(pattern, text string) bool { return pattern == "" || like(pattern, text) }
	return any(row.step, d.step) && any(row.call, d.call) && like(row.field, d.field) &&
		like(row.straight, d.straight) && like(row.through, d.through) && (row.version == "" || row.version == d.version)
}

// compare finds all fields that differ. A body is compared by its length and
// digest if it is long.
func compare(want, got answer) (all []difference) {
	add := func(field, straight, through string) {
		if straight != through {
			all = append(all, difference{step: want.step, call: want.call, field: field, straight: straight, through: through})
		}
	}
	add("status", fmt.Sprint(want.status), fmt.Sprint(got.status))
	names := maps.Clone(want.header)
	maps.Copy(names, got.header)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name == "Content-Length" && want.body != got.body {
			continue // follows from the body
		}
		add(name, headerText(name, want.header), headerText(name, got.header))
	}
	add("body", short(want.body), short(got.body))
	return all
}

// headerText is a field without what differs from one answer to the next.
func headerText(name string, h http.Header) string {
	switch text := strings.Join(h[name], "\n"); name {
	case "Date", "Last-Modified":
		if text != "" {
			return "TIME"
		}
		return ""
	case "Content-Type":
		return boundary.ReplaceAllString(text, "BOUNDARY")
	case "Location", "Link", "Docker-Upload-Uuid":
		c := caller{origin: originOf.FindString(text)}
		if c.origin == "" {
			c.origin = "\x00"
		}
		return c.plain(text)
	default:
		return text
	}
}

var originOf = regexp.MustCompile(`https?://[^/]+`)

func short(body string) string {
	body = boundary.ReplaceAllString(body, "BOUNDARY")
	if len(body) < 400 {
		return body
	}
	sum := sha256.Sum256([]byte(body))
	return fmt.Sprintf("%d bytes, %s", len(body), hex.EncodeToString(sum[:8]))
}

const (
	badNames = "[A-Z]+ /v2/(Suite/|suite//|-suite/|(a/){129}|suite/[a-z]+/(manifests/(|sha256:abc|t{129}|[.]tag|bad[*]tag)|blobs/|referrers/sha256:abc)$).*"
	badMount = "POST .*mount=sha256:abc.*"
)

// differences are what the gate does not pass on as it is.
var differences = []difference{
	{field: "Content-Security-Policy|X-Content-Type-Options", through: ".+", why: "4.7"},
	{field: "Cache-Control", through: "no-store", why: "4.7"},
	{field: "Cache-Control", straight: "max-age=31536000", through: "private, max-age=31536000|no-store", why: "4.4"},

	// Errors outside of a registry's handlers are text, or a page.
	{field: "Content-Type", straight: "|(text/plain|text/html|application/json); charset=utf-8", through: "application/json(; charset=utf-8)?", why: "4.6"},
	{field: "body", straight: "404 page not found\n|Method not allowed\n|invalid range.*", through: `{"errors":\[{"code":"[A-Z_]+","message":"[^"]+"}\]}`, why: "4.6"},
	{call: "HEAD .*", field: "Content-Length", straight: "19", through: "[0-9]+", why: "4.6"},
	{field: "Allow", straight: "DELETE, GET, HEAD(, PUT)?", through: "GET, HEAD(, PUT)?, DELETE", why: "4.6"},

	// Bad names, tags, digests and numbers are found by the gate, which says 400
	// where a registry has no route for them, and says so in fewer words.
	{field: "status", call: badNames, straight: "404|301|500", through: "400", why: "3.3"},
	{field: "body", call: badNames, straight: ".*", through: `{"errors":\[{"code":"(NAME|DIGEST)_INVALID".*`, why: "3.3"},
	{field: "Location", call: badNames, straight: "/v2/suite/app/manifests/x", why: "3.3"},
	{field: "body", straight: `{"errors":\[{"code":"(DIGEST|PAGINATION_NUMBER)_INVALID".*`, through: `{"errors":\[{"code":"(DIGEST|PAGINATION_NUMBER)_INVALID".*`, why: "3.3"},
	{call: ".*/tags/list[?]n=(-1|x)", field: "status", straight: "200", through: "400", version: testbed.Registry2, why: "6"},
	{call: "GET /v2", field: "status", straight: "301", through: "200", why: "3.3"},
	{call: "GET /v2", field: "Location|body", straight: ".*", through: "|{}", why: "3.3"},

	// A mount of what can be no blob is refused like any parameter that is none.
	{call: badMount, field: "status", straight: "202", through: "400", why: "3.4"},
	{call: badMount, field: "Docker-Upload-Uuid|Location|Range|body", straight: ".*", through: `|{"errors":\[{"code":"DIGEST_INVALID".*`, why: "3.4"},

	// Registry 2 has no pages of tags, and no order.
	{call: ".*/suite/tags/tags/list.*", field: "body", straight: `{"name":"suite/tags".*`, through: `{"name":"suite/tags".*|.*"PAGINATION_NUMBER_INVALID".*`, version: testbed.Registry2, why: "6"},
	{call: ".*/suite/tags/tags/list[?]n=2(&.*)?", field: "Link", through: `</v2/suite/tags/tags/list[?]last=[Ac]&n=2>; rel="next"`, version: testbed.Registry2, why: "6"},

	{call: "PUT .*/manifests/large", field: "status", straight: "400", through: "413", why: "4.4"},
	{call: "PUT .*/manifests/large", field: "body", straight: `.*"MANIFEST_INVALID".*`, through: `.*"SIZE_INVALID".*`, why: "4.4"},
}
