package edge

import "context"

// A Record is what is learnt about a request on its way, for its line in the
// log. Steps write it and none reads it. It belongs to the goroutine that
// serves the request.
type Record struct {
	Op       string // what is asked for: an oci.Op's name, or a word of the token service's own
	Repo     string
	Subject  string // the account; "" is the anonymous
	TokenID  string // jti of the token that was shown or issued
	Family   string // id of the secret that was shown in the place of a password
	Robot    string // its name, if it is a machine's
	Route    string // name of the registry that was chosen
	Upstream string // host:port that was asked

	// Err is why the request failed. Handler sets it from what its function
	// returns; nobody else needs to.
	Err error

	stack []byte // of a panic
}

// RecordFrom returns the record of the request that ctx belongs to. It is
// never nil: outside of a request it is one that nobody reads.
func RecordFrom(ctx context.Context) *Record {
	if s := from(ctx); s != nil {
		return &s.record
	}
	return &Record{}
}
