// Package upstream is the registries behind the gate: how each is reached, and
// what is shown to it.
//
// A Config goes in and a Pool comes out, which hands out an Endpoint for each
// request: somewhere to send it (RoundTrip), and the credential that the
// registry wants to see (Credential). Of several servers it chooses one that is
// up, by probes and by what becomes of requests. The package does not know who
// may do what, reads no path and rewrites no reply, and sends nothing again: it
// only says whether that may be done (Again). Tokens for registries are signed
// by a Minter that the caller brings.
//
// Pools and endpoints live as long as a generation of the configuration; what
// is known of a server is handed on to the next (Inherit).
package upstream
