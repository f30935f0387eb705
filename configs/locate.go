package configs

import (
	"strconv"
	"strings"
)

// locate returns the line of the value that path names or, if that is not in
// the file, of the nearest one above it that is.
func locate(root *node, path string) int {
	n, line := root, root.line
	for path != "" {
		next, at, rest, ok := step(n, path)
		if !ok {
			break
		}
		n, line, path = next, at, rest
	}
	return line
}

// step goes down one level.
func step(n *node, path string) (next *node, line int, rest string, ok bool) {
	if n.kind == list {
		i, rest, ok := index(path)
		if !ok && len(n.items) == 1 { // which may be written without brackets
			i, rest, ok = 0, path, true
		}
		if !ok || i >= len(n.items) {
			return nil, 0, "", false
		}
		return n.items[i], n.items[i].line, rest, true
	}
	path = strings.TrimPrefix(path, ".")
	longest := -1
	for _, e := range n.entries {
		for _, spelt := range []string{e.key, "[" + strconv.Quote(e.key) + "]"} {
			if len(spelt) > longest && within(path, spelt) && (spelt != "" || path == "" || path[0] == '.') {
				longest = len(spelt)
				next, line, rest, ok = e.val, e.line, path[len(spelt):], true
			}
		}
	}
	return next, line, rest, ok
}

// index takes the "[3]" off the front of a path.
func index(path string) (i int, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, "[")
	if !ok {
		return 0, "", false
	}
	digits, rest, ok := strings.Cut(path, "]")
	if !ok {
		return 0, "", false
	}
	i, err := strconv.Atoi(digits)
	return i, rest, err == nil && i >= 0
}
