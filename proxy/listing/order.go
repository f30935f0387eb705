package listing

import "cmp"

// Compare orders names as distribution does: component by component, so that
// a/b comes before a-b (registry/storage/catalog.go, lessPath). Whoever pages
// through a listing relies on it.
func Compare(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return cmp.Compare(rank(a[i]), rank(b[i]))
		}
	}
	return cmp.Compare(len(a), len(b))
}

// rank puts the slash before every other byte of a name.
func rank(c byte) byte {
	if c == '/' {
		return 0
	}
	return c
}
