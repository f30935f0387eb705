package configs

import (
	"reflect"
	"regexp"
	"strings"
)

// envMark begins a reference to a variable of the environment. Every other
// ${…} belongs to the rules and filters, and is text here.
const envMark = "${env:"

const envElsewhere = "${env:NAME} may only be the whole value of a secret, such as a registry's password; use a …_file key or write the value"

var envRef = regexp.MustCompile(`^\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}$`)

// secret reads a Secret: as it is written, or from the environment. Nothing
// that it says may show what stands there. One that is wrong is not left empty,
// so that no Validate says that it is missing.
func (d *decoder) secret(n *node, v reflect.Value, path string) {
	v.SetString("?")
	if n.kind != scalar {
		d.bad.addf(n.line, path, "expected text, got %s", n.kind)
		return
	}
	if !isPlain(n) {
		d.bad.addf(n.line, path, "expected text; quote it")
		return
	}
	text, msg := d.expand(n.text)
	if msg != "" {
		d.bad.addf(n.line, path, "%s", msg)
		return
	}
	if m := shellRef.FindStringSubmatch(n.text); m != nil {
		d.odd.addf(n.line, path, "is used as it is written; a variable of the environment is ${env:%s}", m[1])
	}
	v.SetString(text)
}

// shellRef is a variable as shells and compose write it. It is text here, and
// hardly anybody's password.
var shellRef = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

func (d *decoder) expand(text string) (value, msg string) {
	if !strings.Contains(text, envMark) {
		return text, ""
	}
	m := envRef.FindStringSubmatch(text)
	if m == nil {
		return "", "${env:NAME} must be the whole value, and NAME a variable's name"
	}
	value, ok := d.env(m[1])
	switch {
	case !ok:
		return "", "the environment variable " + m[1] + " is not set"
	case value == "":
		return "", "the environment variable " + m[1] + " is empty"
	}
	return value, ""
}
