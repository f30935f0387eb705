// Package oci has the words that both halves of the gate speak: what a client
// of a registry asks for (Request), what that needs (Access), what somebody
// may do (Grant), and how a refusal reads (Error, Challenge).
//
// Parse is the only reader of request targets in the module. What it accepts
// is a Request that cannot hold a bad name, and what goes upstream is built
// anew from its parts, so the gate and a registry cannot disagree about which
// repository is meant. The package decides nothing, opens nothing and imports
// nothing of ours; its values live as long as a request.
package oci
