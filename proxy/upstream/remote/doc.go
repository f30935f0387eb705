// Package remote asks registries of somebody else: Docker Hub, ghcr.io and
// their like.
//
// A request for a repository goes in, and the registry's answer comes out, with
// a token shown that the registry has told where to get (distribution
// docs/content/spec/auth/token.md), or an *oci.Error that says what a client is
// to read: a challenge never leaves the package. It does not connect to the
// registry, which is for whoever calls Send, nor follow redirects, and it keeps
// no answers but tokens. Where they may be asked for is configuration: a
// registry that names another place is an error.
//
// A Remote lives as long as a generation of the configuration; what it has been
// told lives on, if the next one has an equal.
package remote
