package oci

import "strings"

const (
	maxName   = 255
	maxTag    = 128
	maxUpload = 64
)

// ValidName reports whether s can name a repository: path components of
// lower-case letters and digits, joined by "/", each of which may hold single
// ".", "_", "__" or any number of "-" between them, 255 bytes in all
// (distribution-spec, "Pulling manifests"). A host in front of the name, which
// distribution would take, is not valid.
func ValidName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for c := range strings.SplitSeq(s, "/") {
		if !validComponent(c) {
			return false
		}
	}
	return true
}

// validComponent matches [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func validComponent(s string) bool {
	if s == "" || !isAlnum(s[0]) || !isAlnum(s[len(s)-1]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		before := s[i-1]
		switch c := s[i]; {
		case isAlnum(c):
		case c == '-' && (before == '-' || isAlnum(before)):
		case c == '.' && isAlnum(before):
		case c == '_' && isAlnum(before):
		case c == '_' && before == '_' && i > 1 && s[i-2] != '_':
		default:
			return false
		}
	}
	return true
}

// ValidTag reports whether s can be a tag: [A-Za-z0-9_][A-Za-z0-9._-]{0,127}.
func ValidTag(s string) bool {
	if s == "" || len(s) > maxTag || s[0] == '.' || s[0] == '-' {
		return false
	}
	return only(s, func(c byte) bool { return isWord(c) || c == '.' || c == '-' })
}

// ValidDigest reports whether s is a digest that registries compute: sha256,
// sha384 or sha512 in lower-case hex.
func ValidDigest(s string) bool {
	alg, hex, _ := strings.Cut(s, ":")
	var size int
	switch alg {
	case "sha256":
		size = 64
	case "sha384":
		size = 96
	case "sha512":
		size = 128
	}
	return size > 0 && len(hex) == size && only(hex, isHex)
}

// validUpload reports whether s can be the id of an upload: distribution's are
// UUIDs. Dots are out, so that no id is a path element of its own.
func validUpload(s string) bool {
	return s != "" && len(s) <= maxUpload && only(s, func(c byte) bool { return isWord(c) && c != '_' || c == '-' })
}

// ValidNamespace reports whether s can be the host of a registry, with a port
// or without, as clients write it into a reference: docker.io, [::1]:5000.
func ValidNamespace(s string) bool {
	return s != "" && len(s) <= maxName && only(s, func(c byte) bool { return isWord(c) || strings.IndexByte(".-:[]", c) >= 0 })
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' }
func isWord(c byte) bool  { return isAlnum(c) || 'A' <= c && c <= 'Z' || c == '_' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'f' }
