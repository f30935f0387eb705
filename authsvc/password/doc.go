// Package password compares passwords with bcrypt hashes, and remembers the
// good ones for a short while.
//
// An account, a password and a hash come in, and whether they fit goes out.
// The package does not know accounts or where their hashes are kept, and does
// not count guesses. It is the only one that knows bcrypt.
//
// In a gate it has another process compare, which is the same program once
// more (Options.Apart): Go's scheduler knows no priorities, and the system's
// does. Only so do those who pull hardly notice that somebody guesses.
//
// There is one Pool for the life of the process, so that all generations of
// the configuration together leave the other cores alone. A Cache belongs to
// a generation: what it remembers was true of that one's users.
package password
