// Package configs reads regate.yaml. In goes a file, out comes a File that
// joins the Config structs of all packages, or an Error with a line for every
// mistake in it. What it reads it reads strictly: a key that nobody knows, a
// value of another kind, a key without a value are mistakes, because a rule
// that is misspelt must not be a rule that is missing.
//
// It substitutes nothing but ${env:NAME}, as the whole value of a field of type
// authn.Secret. It opens no file but the configuration, and what the values
// mean is said by the Validate of the package that owns them.
//
// A File lives as long as a generation; a Watcher, which tells when it is time
// to read again, as long as the process.
package configs
