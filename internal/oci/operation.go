package oci

import "net/http"

// An Op is one operation of the distribution-spec.
type Op uint8

// The operations that the gate lets through.
const (
	Ping Op = iota + 1
	ListCatalog
	ListTags
	GetManifest
	PutManifest
	DeleteManifest
	GetBlob
	DeleteBlob
	StartUpload
	UploadStatus
	AppendUpload
	FinishUpload
	CancelUpload
	ListReferrers
)

// endpoint is one kind of path below /v2/.
type endpoint uint8

const (
	base endpoint = iota
	catalog
	tags
	manifest
	blob
	uploads
	upload
	referrers
)

// An operation is what the gate knows of an Op.
type operation struct {
	name string // as metrics and logs call it
	at   endpoint
	// methods that mean this operation. A HEAD is its GET.
	methods []string
	// needs is what the client must be granted on the repository, and
	// upstream what a registry will ask of a token for the same request:
	// distribution asks by method alone (registry/handlers, appendAccessRecords).
	needs, upstream Actions
	// query has the keys that are read; any other is dropped. What is no field
	// of the Request goes upstream.
	query []string
}

// operations is the one place that says what an operation needs. It follows
// distribution's own table (protocol.md 2.5), but for two refinements: who may
// push may also ask for the state of an upload and cancel it.
var operations = [...]operation{
	Ping:           {"ping", base, read, 0, 0, nil},
	ListCatalog:    {"list_catalog", catalog, get, 0, 0, []string{"n", "last"}},
	ListTags:       {"list_tags", tags, get, Pull, Pull, []string{"n", "last"}},
	GetManifest:    {"get_manifest", manifest, read, Pull, Pull, nil},
	PutManifest:    {"put_manifest", manifest, []string{http.MethodPut}, Pull | Push, Pull | Push, nil},
	DeleteManifest: {"delete_manifest", manifest, del, Delete, Delete, nil},
	GetBlob:        {"get_blob", blob, read, Pull, Pull, nil},
	DeleteBlob:     {"delete_blob", blob, del, Delete, Delete, nil},
	StartUpload:    {"start_upload", uploads, []string{http.MethodPost}, Pull | Push, Pull | Push, []string{"digest", "digest-algorithm", "from", "mount"}},
	UploadStatus:   {"upload_status", upload, read, Push, Pull, []string{StateKey, TicketKey}},
	AppendUpload:   {"append_upload", upload, []string{http.MethodPatch}, Pull | Push, Pull | Push, []string{StateKey, "digest", TicketKey}},
	FinishUpload:   {"finish_upload", upload, []string{http.MethodPut}, Pull | Push, Pull | Push, []string{StateKey, "digest", TicketKey}},
	CancelUpload:   {"cancel_upload", upload, del, Push, Delete, []string{StateKey, TicketKey}},
	ListReferrers:  {"list_referrers", referrers, get, Pull, Pull, []string{"artifactType", "n", "last"}},
}

var (
	get  = []string{http.MethodGet}
	read = []string{http.MethodGet, http.MethodHead}
	del  = []string{http.MethodDelete}
)

// String is the operation's name in metrics and logs: "get_manifest".
func (o Op) String() string {
	if int(o) >= len(operations) || o == 0 {
		return "none"
	}
	return operations[o].name
}

// find returns the operation that method means at an endpoint, or the methods
// that the endpoint has.
func (e endpoint) find(method string) (op Op, allowed []string) {
	for i := Ping; int(i) < len(operations); i++ {
		o := &operations[i]
		if o.at != e {
			continue
		}
		for _, m := range o.methods {
			if m == method {
				return i, nil
			}
			allowed = append(allowed, m)
		}
	}
	return 0, allowed
}
