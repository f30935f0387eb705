package oci

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	someUUID   = "0193a7c8-1111-7abc-8def-0123456789ab"
)

// accepted has a target for each operation and for each way of being odd but right.
var accepted = []struct {
	method, target string
	want           Op
	wantNeeds      string
	wantPath       string
	wantQuery      string
}{
	{"GET", "/v2/", Ping, "", "/v2/", ""},
	{"HEAD", "/v2", Ping, "", "/v2/", ""},
	{"GET", "/v2/_catalog?n=5&last=a%2Fb", ListCatalog, "registry:catalog:*", "/v2/_catalog", "last=a%2Fb&n=5"},
	{"GET", "/v2/a/b/tags/list?n=2", ListTags, "repository:a/b:pull", "/v2/a/b/tags/list", "n=2"},
	{"GET", "/v2/a/b/manifests/latest", GetManifest, "repository:a/b:pull", "/v2/a/b/manifests/latest", ""},
	{"HEAD", "/v2/a/manifests/" + someDigest, GetManifest, "repository:a:pull", "/v2/a/manifests/" + someDigest, ""},
	{"GET", "/v2/a/manifests/x?ns=docker.io", GetManifest, "repository:a:pull", "/v2/a/manifests/x", ""},
	{"GET", "/v2/a/manifests/x?ns=docker.io&ns=docker.io", GetManifest, "repository:a:pull", "/v2/a/manifests/x", ""},
	{"GET", "/v2/a/manifests/x?ns=", GetManifest, "repository:a:pull", "/v2/a/manifests/x", ""},
	{"GET", "/v2/a/tags/list?n=", ListTags, "repository:a:pull", "/v2/a/tags/list", "n="},
	{"GET", "/v2/a/manifests/x?from=secret/a&mount=x", GetManifest, "repository:a:pull", "/v2/a/manifests/x", ""},
	{"PUT", "/v2/a/manifests/v1?tag=other", PutManifest, "repository:a:pull,push", "/v2/a/manifests/v1", ""},
	{"DELETE", "/v2/a/manifests/" + someDigest, DeleteManifest, "repository:a:delete", "/v2/a/manifests/" + someDigest, ""},
	{"GET", "/v2/a/blobs/" + someDigest, GetBlob, "repository:a:pull", "/v2/a/blobs/" + someDigest, ""},
	{"GET", "/v2/a/blobs/" + strings.Replace(someDigest, ":", "%3A", 1), GetBlob, "repository:a:pull", "/v2/a/blobs/" + someDigest, ""},
	{"GET", "/v2/a/blobs/" + strings.Replace(someDigest, ":", "%3a", 1), GetBlob, "repository:a:pull", "/v2/a/blobs/" + someDigest, ""},
	{"DELETE", "/v2/a/blobs/" + someDigest, DeleteBlob, "repository:a:delete", "/v2/a/blobs/" + someDigest, ""},
	{"POST", "/v2/a/blobs/uploads/", StartUpload, "repository:a:pull,push", "/v2/a/blobs/uploads/", ""},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest + "&from=b/c&origin=ghcr.io", StartUpload, "repository:a:pull,push repository:b/c:pull", "/v2/a/blobs/uploads/", "from=b%2Fc&mount=sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest, StartUpload, "repository:a:pull,push", "/v2/a/blobs/uploads/", ""},
	{"POST", "/v2/a/blobs/uploads/?from=b", StartUpload, "repository:a:pull,push", "/v2/a/blobs/uploads/", ""},
	{"GET", "/v2/a/blobs/uploads/" + someUUID + "?_state=a%3D%3D", UploadStatus, "repository:a:push", "/v2/a/blobs/uploads/" + someUUID, "_state=a%3D%3D"},
	{"PATCH", "/v2/a/blobs/uploads/" + someUUID + "?_state=x-_%3D", AppendUpload, "repository:a:pull,push", "/v2/a/blobs/uploads/" + someUUID, "_state=x-_%3D"},
	{"PUT", "/v2/a/blobs/uploads/" + someUUID + "?digest=" + someDigest, FinishUpload, "repository:a:pull,push", "/v2/a/blobs/uploads/" + someUUID, "digest=sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"DELETE", "/v2/a/blobs/uploads/" + someUUID, CancelUpload, "repository:a:push", "/v2/a/blobs/uploads/" + someUUID, ""},
	{"GET", "/v2/a/referrers/" + someDigest + "?artifactType=x%2Fy", ListReferrers, "repository:a:pull", "/v2/a/referrers/" + someDigest, "artifactType=x%2Fy"},
	// Ambiguous to the eye, decided from the right.
	{"GET", "/v2/pub/a/manifests/secret/manifests/x", GetManifest, "repository:pub/a/manifests/secret:pull", "/v2/pub/a/manifests/secret/manifests/x", ""},
	{"GET", "/v2/pub/a/blobs/uploads/manifests/x", GetManifest, "repository:pub/a/blobs/uploads:pull", "/v2/pub/a/blobs/uploads/manifests/x", ""},
	{"GET", "/v2/pub/a/tags/list/tags/list", ListTags, "repository:pub/a/tags/list:pull", "/v2/pub/a/tags/list/tags/list", ""},
	{"POST", "/v2/pub/a/manifests/blobs/uploads/", StartUpload, "repository:pub/a/manifests:pull,push", "/v2/pub/a/manifests/blobs/uploads/", ""},
	{"POST", "/v2/manifests/blobs/uploads/", StartUpload, "repository:manifests:pull,push", "/v2/manifests/blobs/uploads/", ""},
	{"GET", "/v2/tags/tags/list", ListTags, "repository:tags:pull", "/v2/tags/tags/list", ""},
	{"GET", "/v2/uploads/manifests/x", GetManifest, "repository:uploads:pull", "/v2/uploads/manifests/x", ""},
}

func TestParseAccepts(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r, err := Parse(tt.method, tt.target)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if r.Op != tt.want {
				t.Errorf("Op = %v, want %v", r.Op, tt.want)
			}
			if got := NewScope(r.Needs()...).String(); got != tt.wantNeeds {
				t.Errorf("Needs() = %q, want %q", got, tt.wantNeeds)
			}
			if r.Path() != tt.wantPath || r.RawQuery() != tt.wantQuery {
				t.Errorf("goes upstream as %s?%s, want %s?%s", r.Path(), r.RawQuery(), tt.wantPath, tt.wantQuery)
			}
		})
	}
}

var refused = []struct {
	method, target string
	want           Kind
}{
	{"GET", "/v2/secret%2fa/manifests/x", InvalidName},
	{"GET", "/v2/secret%252fa/manifests/x", InvalidName},
	{"GET", "/v2/%73ecret/a/manifests/x", InvalidName},
	{"GET", "/v2/secret/a/manif%65sts/x", InvalidName},
	{"GET", "/v2/pub/a/../../secret/a/manifests/x", InvalidName},
	{"GET", "/v2/pub/a/%2e%2e/%2e%2e/secret/a/manifests/x", InvalidName},
	{"GET", "/v2/pub/a/manifests/..%2f..%2fsecret%2fa%2fmanifests%2fx", InvalidName},
	{"GET", "/v2/pub/a/manifests/..%5c..%5csecret", InvalidName},
	{"GET", "/v2//secret/a/manifests/x", InvalidName},
	{"GET", "/v2/secret//a/manifests/x", InvalidName},
	{"GET", "/v2/./secret/a/manifests/x", InvalidName},
	{"GET", "/v2/SECRET/a/manifests/x", InvalidName},
	{"GET", "/v2/h:5000/a/tags/list", InvalidName},
	{"GET", "/v2/[::1]:5000/a/tags/list", InvalidName},
	{"GET", "/v2/a/manifests/x%00", InvalidName},
	{"GET", "/v2/a/manifests/x;y", InvalidName},
	{"GET", "/v2/a/manifests/x#f", InvalidName},
	{"GET", `/v2/pub\..\secret/a/manifests/x`, InvalidName},
	{"GET", "/v2/ｓecret/a/manifests/x", InvalidName},
	{"GET", "/v2/a/manifests/x/", NoSuchPath},
	{"GET", "/v2/a/manifests/", InvalidName},
	{"GET", "/v2/a/manifests/.x", InvalidName},
	{"GET", "/v2/a/manifests/" + strings.Repeat("t", 129), InvalidName},
	{"GET", "/v2/a/manifests/sha256:zz", InvalidDigest},
	{"GET", "/v2/a/manifests/sha256:" + strings.Repeat("A", 64), InvalidDigest},
	{"GET", "/v2/a/blobs/md5:00", InvalidDigest},
	{"POST", "/v2/a/blobs/uploads", InvalidDigest},
	{"GET", "/v2/a/referrers/latest", InvalidDigest},
	{"GET", "/v2/_catalog/", NoSuchPath},
	{"GET", "/v2/pub/_catalog", NoSuchPath},
	{"GET", "/v2/_catalog/manifests/x", InvalidName},
	{"GET", "/v2/tags/list", NoSuchPath},
	{"POST", "/v2/blobs/uploads/", NoSuchPath},
	{"GET", "/v2/a/uploads/x", NoSuchPath},
	{"GET", "/v2/a/blobs/uploads/..", NoSuchPath},
	{"GET", "/v2/a/blobs/uploads/U/", NoSuchPath},
	{"GET", "/v2/" + strings.Repeat("n", 256) + "/tags/list", InvalidName},
	{"GET", "/v2/" + strings.Repeat("a/", 300) + "tags/list", InvalidName},
	{"get", "/v2/a/manifests/x", Unsupported},
	{"OPTIONS", "/v2/a/manifests/x", Unsupported},
	{"POST", "/v2/", Unsupported},
	{"HEAD", "/v2/a/tags/list", Unsupported},
	{"PATCH", "/v2/a/blobs/uploads/", Unsupported},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest + "&from=pub/a;x&from=secret/a", BadRequest},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest + "&from=%zz&from=secret/a", BadRequest},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest + "&from=pub/a&from=secret/a", BadRequest},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest + "&from=pub/a&%66rom=secret/a", BadRequest},
	{"POST", "/v2/a/blobs/uploads/?mount=" + someDigest + "&from=../secret", InvalidName},
	{"POST", "/v2/a/blobs/uploads/?mount=md5:00&from=pub/a", InvalidDigest},
	{"PUT", "/v2/a/blobs/uploads/U?digest=sha256:zz", InvalidDigest},
	{"GET", "/v2/_catalog?last=../../x", BadRequest},
	{"GET", "/v2/a/manifests/x?ns=docker.io&ns=quay.io", BadRequest},
	{"GET", "/v2/a/manifests/x?ns=http://10.0.0.1/", BadRequest},
	{"GET", "/v2/a/manifests/x?ns=a@b", BadRequest},
	{"GET", "/v2/a/tags/list?n=-1", InvalidPage},
	{"GET", "/v2/_catalog?n=ten", InvalidPage},
	{"GET", "/v2/_catalog?n=99999999999999999999", InvalidPage},
	{"GET", "/v2/_catalog?" + strings.Repeat("a=1&", 40), BadRequest},
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r, err := Parse(tt.method, tt.target)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Parse accepted it as %v %q", r.Op, r.Path())
			}
			if e.Kind != tt.want {
				t.Errorf("Parse: %v %q, want %v", e.Kind, e.Msg, tt.want)
			}
			if e.Kind == Unsupported && e.Header.Get("Allow") == "" {
				t.Error("405 without Allow (RFC 9110 15.5.6)")
			}
		})
	}
}

func TestIsV2(t *testing.T) {
	for target, want := range map[string]bool{
		"/v2": true, "/v2/": true, "/v2?x": true, "/v2/a": true,
		"/v2x": false, "/v2%2Fa": false, "/V2/": false, "//v2/": false, "/./v2/": false,
		"/%76%32/a": false, "*": false, "http://evil/v2/": false, "gw:443": false, "": false,
	} {
		if got := IsV2(target); got != want {
			t.Errorf("IsV2(%q) = %v, want %v", target, got, want)
		}
	}
}

// TestUploadsNeedPushButRegistriesAskOtherwise pins the two refinements: a
// registry wants pull for the state of an upload and delete to cancel it.
func TestUploadsNeedPushButRegistriesAskOtherwise(t *testing.T) {
	for method, want := range map[string]Actions{"GET": Pull, "DELETE": Delete} {
		r, err := Parse(method, "/v2/a/blobs/uploads/"+someUUID)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Needs()[0].Actions; got != Push {
			t.Errorf("%s needs %v of the client, want push", method, got)
		}
		if got := r.UpstreamNeeds()[0].Actions; got != want {
			t.Errorf("%s needs %v upstream, want %v", method, got, want)
		}
	}
}

func TestWithoutMountReadsNothingElse(t *testing.T) {
	r, err := Parse("POST", "/v2/a/blobs/uploads/?mount="+someDigest+"&from=b")
	if err != nil {
		t.Fatal(err)
	}
	r = r.WithoutMount()
	if got := NewScope(r.Needs()...).String(); got != "repository:a:pull,push" || r.RawQuery() != "" {
		t.Errorf("WithoutMount() needs %q and sends %q", got, r.RawQuery())
	}
}

// Everything that Parse accepts is accepted again in the form that goes
// upstream, and means the same there.
func FuzzParse(f *testing.F) {
	for _, tt := range accepted {
		f.Add(tt.method, tt.target)
	}
	for _, tt := range refused {
		f.Add(tt.method, tt.target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		r, err := Parse(method, target)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Kind == Internal {
				t.Fatalf("Parse(%q, %q): unclassified error %v", method, target, err)
			}
			return
		}
		again, err := Parse(method, r.Path()+"?"+r.RawQuery())
		if err != nil {
			t.Fatalf("Parse(%q, %q) does not read its own %s?%s: %v", method, target, r.Path(), r.RawQuery(), err)
		}
		if again.Path() != r.Path() || again.RawQuery() != r.RawQuery() || again.Op != r.Op ||
			!slices.Equal(again.Needs(), r.Needs()) {
			t.Fatalf("Parse(%q, %q) = %+v, read again %+v", method, target, r, again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(http.MethodGet, "/v2/team/group/app/manifests/latest"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTicketStaysAtTheGate has it on every path: those of uploads alone have one.
func TestTicketStaysAtTheGate(t *testing.T) {
	for _, tt := range accepted {
		sep := "?"
		if strings.Contains(tt.target, "?") {
			sep = "&"
		}
		r, err := Parse(tt.method, tt.target+sep+TicketKey+"=x%2Fy")
		if err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.target, err)
			continue
		}
		want := ""
		if r.Upload != "" {
			want = "x/y"
		}
		if r.Ticket != want || r.RawQuery() != tt.wantQuery || r.Path() != tt.wantPath {
			t.Errorf("%s %s: ticket %q, goes upstream as %s?%s", tt.method, tt.target, r.Ticket, r.Path(), r.RawQuery())
		}
	}
	if _, err := Parse("PATCH", "/v2/a/blobs/uploads/"+someUUID+"?rg=a&rg=b"); err == nil {
		t.Error("two tickets are taken")
	}
}
