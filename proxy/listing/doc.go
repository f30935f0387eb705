// Package listing knows which repositories a registry has, from its _catalog.
//
// A Source, which asks for one page after the other, goes in; a Snapshot with
// all names comes out. To list is expensive for a registry, which walks its
// whole storage for it, so a Listing is taken by one flight for all who ask,
// kept for a while, and taken anew behind their backs.
//
// The package does not know who may see what, nor under which names clients
// know the repositories. A Listing lives as long as a generation of the
// configuration, and may hand on what it knows to the next.
package listing
