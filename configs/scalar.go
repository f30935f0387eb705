package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

// scalar reads a single value into a text, a number, a duration or a yes or no.
func (d *decoder) scalar(n *node, v reflect.Value, path string) {
	var ok bool
	switch {
	case v.Type() == durationType:
		ok = setDuration(n, v)
	case v.Kind() == reflect.String:
		if ok = isPlain(n); ok {
			v.SetString(n.text)
		}
	case v.Kind() == reflect.Bool:
		if ok = n.tag == "!!bool"; ok {
			v.SetBool(strings.EqualFold(n.text, "true"))
		}
	case v.CanInt():
		ok = setInt(n, v)
	}
	if !ok {
		if hours := inDays(n); hours != "" && v.Type() == durationType {
			d.bad.addf(n.line, path, "%s", hours)
			return
		}
		d.bad.addf(n.line, path, "expected %s, got %s", expected(v.Type()), shown(n))
	}
}

// isPlain reports whether the value is the text that is written there. Numbers
// and dates are: an account may be called 0042. True, false and values with a
// tag of their own are not.
func isPlain(n *node) bool {
	switch n.tag {
	case "!!str", "!!int", "!!float", "!!timestamp", "!!merge":
		return true
	}
	return false
}

func setDuration(n *node, v reflect.Value) bool {
	long, err := time.ParseDuration(n.text)
	if err != nil || !isPlain(n) {
		return false
	}
	v.SetInt(int64(long))
	return true
}

// isZero reports whether 0s is what was written, and not something that cannot
// be read. Where that would silently be the default, the field has the tag
// zero:"no".
func isZero(n *node, v reflect.Value) bool {
	long, err := time.ParseDuration(n.text)
	return err == nil && long == 0 && v.IsZero()
}

// inSeconds reads a duration of whole seconds, for a field which has the tag
// unit:"seconds", since docker_auth has a number there.
func inSeconds(n *node) (seconds int64, ok bool) {
	long, err := time.ParseDuration(n.text)
	return int64(long / time.Second), err == nil && n.kind == scalar && n.text != "0" && long%time.Second == 0
}

// inDays says how to write a duration that has days, which Go's have not; "" if
// n is none.
func inDays(n *node) string {
	m := daysText.FindStringSubmatch(n.text)
	if m == nil {
		return ""
	}
	days, err := strconv.Atoi(m[1])
	if err != nil {
		return ""
	}
	if m[2] == "w" {
		days *= 7
	}
	return fmt.Sprintf("days are written in hours: %dh", 24*days)
}

var daysText = regexp.MustCompile(`^([0-9]{1,5})(d|w)$`)

func setInt(n *node, v reflect.Value) bool {
	number, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
	if err != nil || n.tag != "!!int" {
		return false
	}
	v.SetInt(number)
	return true
}

func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// unmarshalText leaves the value to its type.
func (d *decoder) unmarshalText(n *node, v reflect.Value, path string) {
	if !isPlain(n) && n.tag != "!!bool" {
		d.bad.addf(n.line, path, "expected %s, got a value with a tag", expected(v.Type()))
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text)); err != nil {
		d.bad.addf(n.line, path, "%v", err)
	}
}

// expected says in words what a type takes.
func expected(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return expected(t.Elem())
	case t == durationType:
		return "a duration such as 30s"
	case isText(t) && t.Kind() == reflect.Struct && len(fieldsOf(t).names) > 0:
		return "a word or a mapping"
	case t.Implements(singleType):
		return "a mapping, or a list of them"
	case isText(t):
		return "a single value"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list such as [a, b]"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "a mapping such as {key: value}"
	}
	return "a whole number"
}

// shown quotes a value for a message, cut if it is long.
func shown(n *node) string {
	const most = 40
	text := n.text
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	if n.quoted {
		return "the text " + strconv.Quote(text)
	}
	return strconv.Quote(text)
}
