package proxy

import (
	"net/http"
	"strings"

	"github.com/regate/regate/internal/oci"
)

// maxManifest is the largest manifest that registries take
// (distribution-spec, "Pushing Manifests").
const maxManifest = 4 << 20

// parse reads what a request asks for, and refuses what a registry could read
// otherwise than the gate.
func parse(r *http.Request) (oci.Request, error) {
	req, err := oci.Parse(r.Method, r.RequestURI)
	if err != nil {
		return oci.Request{}, err
	}
	if len(r.Header["Authorization"]) > 1 {
		return oci.Request{}, oci.Errorf(oci.BadRequest, "more than one Authorization header")
	}
	if err := checkMedia(r.Header["Content-Type"]); err != nil {
		return oci.Request{}, err
	}
	if !hasBody(r.Method) && (r.ContentLength > 0 || r.ContentLength < 0 && r.ProtoMajor == 1) {
		return oci.Request{}, oci.Errorf(oci.BadRequest, "%s takes no body", r.Method)
	}
	if req.Op == oci.PutManifest && r.ContentLength > maxManifest {
		return oci.Request{}, errLargeManifest()
	}
	return req, nil
}

// hasBody reports whether requests of a method have a body at a registry. Over
// HTTP/2, nobody may know whether there is one until it has ended.
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func errLargeManifest() error {
	return oci.Errorf(oci.TooLarge, "manifest is larger than 4 MiB")
}

// checkMedia refuses forms. Registries read the parameters of a request from
// its body too if that is one, and let them win over the query: the source of
// a mount could then be another one than the one that was authorised
// (protocol.md 3.4).
func checkMedia(types []string) error {
	if len(types) == 0 {
		return nil
	}
	if len(types) > 1 {
		return oci.Errorf(oci.BadRequest, "more than one Content-Type header")
	}
	media, _, _ := strings.Cut(types[0], ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if media == "application/x-www-form-urlencoded" || strings.HasPrefix(media, "multipart/") {
		return oci.Errorf(oci.BadMedia, "a registry takes no forms; send application/octet-stream")
	}
	return nil
}
