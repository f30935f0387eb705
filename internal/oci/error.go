package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// A Kind says what went wrong; the table below says how a client reads it.
type Kind uint8

// The kinds of errors.
const (
	Internal        Kind = iota // whatever nobody classified
	Unauthenticated             // no token, a bad one, or one whose scope is too small: a better one may help
	Denied                      // no token would help
	InvalidName                 // the path holds no valid repository name
	InvalidDigest               // a digest that is not one
	InvalidPage                 // a number of entries that is not one
	UnknownName                 // no route
	UnknownUpload               // an upload that cannot go on, and must begin anew
	Unsupported                 // an endpoint we know, with a method it does not have
	TooMany                     // a limit
	BadRequest                  // broken, doubled or oversized query or form
	NoSuchPath                  // a path we do not serve
	TooLarge                    // a body above its limit
	TooManyFields               // a header of more fields than any client sends
	BadMedia                    // a body of a type that is never right here
	Misdirected                 // Host is not ours, or not the host of the TLS handshake
	BadGateway                  // the registry refused or garbled what we had authorised: our fault
	Unavailable                 // draining, no endpoint, a directory or the state cannot be asked
	Unreachable                 // the registry did not connect or answer in time
)

// kinds is the only place where a kind meets a status and a code of the
// distribution-spec. UNKNOWN and UNAVAILABLE are distribution's additions to
// it. Clients retry 504 most widely, hence Unreachable. Of an upload that
// cannot go on they begin another, docker and podman after any 404 that is
// JSON, crane only if it says BLOB_UPLOAD_INVALID, as distribution does.
var kinds = [...]struct {
	name   string
	code   string
	status int
}{
	Internal:        {"internal", "UNKNOWN", http.StatusInternalServerError},
	Unauthenticated: {"unauthenticated", "UNAUTHORIZED", http.StatusUnauthorized},
	Denied:          {"denied", "DENIED", http.StatusForbidden},
	InvalidName:     {"invalid_name", "NAME_INVALID", http.StatusBadRequest},
	InvalidDigest:   {"invalid_digest", "DIGEST_INVALID", http.StatusBadRequest},
	InvalidPage:     {"invalid_page", "PAGINATION_NUMBER_INVALID", http.StatusBadRequest},
	UnknownName:     {"unknown_name", "NAME_UNKNOWN", http.StatusNotFound},
	UnknownUpload:   {"unknown_upload", "BLOB_UPLOAD_INVALID", http.StatusNotFound},
	Unsupported:     {"unsupported", "UNSUPPORTED", http.StatusMethodNotAllowed},
	TooMany:         {"too_many", "TOOMANYREQUESTS", http.StatusTooManyRequests},
	BadRequest:      {"bad_request", "UNSUPPORTED", http.StatusBadRequest},
	NoSuchPath:      {"no_such_path", "UNSUPPORTED", http.StatusNotFound},
	TooLarge:        {"too_large", "SIZE_INVALID", http.StatusRequestEntityTooLarge},
	TooManyFields:   {"too_many_fields", "UNSUPPORTED", http.StatusRequestHeaderFieldsTooLarge},
	BadMedia:        {"bad_media", "UNSUPPORTED", http.StatusUnsupportedMediaType},
	Misdirected:     {"misdirected", "UNSUPPORTED", http.StatusMisdirectedRequest},
	BadGateway:      {"bad_gateway", "UNAVAILABLE", http.StatusBadGateway},
	Unavailable:     {"unavailable", "UNAVAILABLE", http.StatusServiceUnavailable},
	Unreachable:     {"unreachable", "UNAVAILABLE", http.StatusGatewayTimeout},
}

// Status is the HTTP status of the kind.
func (k Kind) Status() int { return kinds[k].status }

// String is the kind's name in metrics and logs.
func (k Kind) String() string { return kinds[k].name }

// An Error carries what the client is told and, apart from it, why.
type Error struct {
	Kind   Kind
	Msg    string      // sent to the client
	Err    error       // logged, never sent
	Header http.Header // a challenge, an Allow, a Retry-After
}

// Errorf makes an Error with a message for the client. It takes no cause, so
// that none slips into the message: see Because.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// Because adds the cause, which is logged and never sent.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// With adds a header field to the reply.
func (e *Error) With(key, value string) *Error {
	if e.Header == nil {
		e.Header = make(http.Header, 1)
	}
	e.Header.Set(key, value)
	return e
}

// Error has both texts, for the log.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an *Error; one that nobody classified is Internal,
// with a message that says no more than that.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf(Internal, "internal error").Because(err)
}

// errorBody is the reply of the distribution-spec ("Error codes"). Details is
// beside it in a 401 of the token service: docker takes a login for refused,
// rather than for broken, only if it is there (protocol.md 1.7).
type errorBody struct {
	Details string       `json:"details,omitempty"`
	Errors  [1]errorItem `json:"errors"`
}

type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// WriteError answers r with err. Package edge is its only caller.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := AsError(err)
	body := errorBody{Errors: [1]errorItem{{kinds[e.Kind].code, e.Msg}}}
	if e.Kind == Unauthenticated && e.Header.Get("Www-Authenticate") == "" {
		body.Details = e.Msg
	}
	text, _ := json.Marshal(body) // strings alone cannot fail
	h := w.Header()
	for k, v := range e.Header {
		h[k] = v
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff") // msg may repeat what the client has sent
	w.WriteHeader(e.Kind.Status())
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // a client that has gone needs no telling
	}
}
