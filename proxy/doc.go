// Package proxy lets requests through to registries: a request is parsed,
// finds its route, is authorized, picks an endpoint, and is forwarded.
//
// A request of a client comes in, and the registry's answer goes out, with no
// more changed than the public origin in its links and what must not be seen.
// The package does not know users, groups or rules: an Authorizer says whether
// a request may pass, and on whose behalf. Nor does it keep anything: bodies
// are streamed in both directions and not understood, but for what is small and
// may have to be sent again, or to be read for the names in it.
//
// Gateway and Table live as long as a generation of the configuration, all
// else as long as a request.
package proxy
