//go:build race

package oci

// randomTargets is small here, because the race detector has nothing to find
// in a parser and makes it ten times slower.
const randomTargets = 20_000
