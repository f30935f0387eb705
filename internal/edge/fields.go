package edge

import (
	"net/http"

	"github.com/regate/regate/internal/oci"
)

// maxFields is how many fields the header of a request may have. Clients send
// about ten, and balancers add about as many. The limit on its bytes is none on
// memory: a field of three bytes takes a hundred in a map.
const maxFields = 100

// LimitFields refuses headers of more fields, before anything is done for the
// request. Trailers that are announced are kept by the server until the answer
// has been taken; with too many, there is no answer.
func LimitFields(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, w, r := enter(w, r)
		switch {
		case len(r.Trailer) > maxFields:
			s.record.Err = errFields()
			panic(http.ErrAbortHandler)
		case fields(r.Header) > maxFields:
			s.fail(w, r, errFields())
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func errFields() error {
	return oci.Errorf(oci.TooManyFields, "the header has more than %d fields", maxFields)
}

func fields(h http.Header) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}
