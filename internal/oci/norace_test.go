//go:build !race

package oci

// randomTargets is how many targets the property tests try.
const randomTargets = 1_000_000
