package proxy

import (
	"fmt"
	"net/http"
)

// single are the fields of an answer that have one value (RFC 9110 5.3). Of
// several, the gate would check one and a client might follow another. Link
// may be a list, but then leads to more than the next page.
var single = [...]string{
	"Content-Range",
	"Content-Type",
	"Docker-Content-Digest",
	"Docker-Upload-Uuid",
	"Etag",
	"Last-Modified",
	"Link",
	"Location",
	"Range",
}

// checkSingle refuses a second line of any of them, be the first empty or the
// same. An empty line that is alone is as good as none, and is dropped.
func checkSingle(h http.Header) error {
	for _, name := range single {
		v := h[name]
		if len(v) > 1 {
			return fmt.Errorf("%d lines of %s", len(v), name)
		}
		if len(v) == 1 && v[0] == "" {
			delete(h, name)
		}
	}
	return nil
}
