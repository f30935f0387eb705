package redis

import (
	"net/url"
	"strings"
)

// names makes the keys of the server. All begin with "rg:", so that an ACL can
// say ~rg:*.
//
// The value at <area>/<first>/rest is rg:{<area>/<first>}:rest. What stands in
// braces decides on the slot of a Cluster, so that one script reaches a value
// and the index of its group, which are the keys with the same area and first
// element.
type names struct{ prefix string }

const defaultPrefix = "rg"

func (n names) value(key string) string {
	group, rest, below := splitGroup(key)
	if !below {
		return n.tagged("", key)
	}
	return n.tagged("", group) + ":" + rest
}

// index is the sorted set of the keys of a group, of those with a rest.
func (n names) index(group string) string { return n.tagged("index:", group) }

func (n names) lease(name string) string     { return n.tagged("lease:", name) }
func (n names) fence(name string) string     { return n.tagged("fence:", name) }
func (n names) limit(name string) string     { return n.tagged("limit:", name) }
func (n names) health() string               { return n.prefix + ":health" }
func (n names) schema() string               { return n.prefix + ":meta:version" }
func (n names) channel() string              { return n.prefix + ":inval" }
func (n names) tagged(kind, t string) string { return n.prefix + ":" + kind + "{" + escape(t) + "}" }

// key is the inverse of value.
func (n names) key(name string) (key string, ok bool) {
	tagged, ok := strings.CutPrefix(name, n.prefix+":{")
	if !ok {
		return "", false
	}
	tag, rest, ok := strings.Cut(tagged, "}")
	if !ok {
		return "", false
	}
	key, err := url.PathUnescape(tag)
	if err != nil || rest == "" {
		return key, err == nil
	}
	return key + "/" + rest[1:], rest[0] == ':'
}

// pattern matches, for SCAN, at least the names of all values whose key begins
// with prefix, which ends before the rest of a key.
func (n names) pattern(prefix string) string {
	return globs.Replace(n.prefix+":{"+escape(prefix)) + "*"
}

var (
	globs = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`)
	tags  = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")
)

// escape leaves the first brace of a name to us.
func escape(tag string) string { return tags.Replace(tag) }

// splitGroup cuts a key at its second slash.
func splitGroup(key string) (group, rest string, ok bool) {
	area := strings.IndexByte(key, '/') + 1
	first := strings.IndexByte(key[area:], '/')
	if area == 0 || first < 0 {
		return key, "", false
	}
	return key[:area+first], key[area+first+1:], true
}
