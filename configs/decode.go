package configs

import (
	"encoding"
	"reflect"
	"strings"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// A decoder fills Config structs from nodes. It says what does not fit and
// goes on with the next value, so that all mistakes are found in one reading.
type decoder struct {
	env    func(name string) (value string, ok bool)
	bad    *mistakes
	odd    *mistakes // is only worth a warning
	left   int       // values that may still be read: what is written, and maxCopies through aliases
	fields map[reflect.Type]*fields
}

var (
	secretType = reflect.TypeFor[authn.Secret]()
	textType   = reflect.TypeFor[encoding.TextUnmarshaler]()
	singleType = reflect.TypeFor[interface{ SingleOrList() }]() // a list of mappings that may be one
)

// value reads n into v, which can be set.
func (d *decoder) value(n *node, v reflect.Value, path string) {
	if !d.count(n) {
		return
	}
	t := v.Type()
	switch {
	case n.null():
		d.bad.addf(n.line, path, "has no value; expected %s, or leave the key out", expected(t))
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), path)
	case t == secretType:
		d.secret(n, v, path)
	case n.kind == scalar && strings.Contains(n.text, envMark):
		d.bad.addf(n.line, path, envElsewhere)
	case n.kind == mapping && t.Implements(singleType):
		d.list(&node{kind: list, line: n.line, items: []*node{n}}, v, path)
	case n.kind == scalar && isText(t):
		d.unmarshalText(n, v, path)
	default:
		d.plain(n, v, path)
	}
}

// count reports whether n may be read. With aliases a short file can ask for
// more values than any memory holds.
func (d *decoder) count(n *node) bool {
	d.left--
	if d.left == -1 {
		d.bad.addf(n.line, "", "aliases (*) repeat more than %d values", maxCopies)
	}
	return d.left >= 0
}

// plain reads what is not text to its type.
func (d *decoder) plain(n *node, v reflect.Value, path string) {
	want := scalar
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		want = mapping
	case reflect.Slice:
		want = list
	}
	if isText(v.Type()) && len(d.fieldsOf(v.Type()).names) == 0 {
		want = scalar
	}
	switch {
	case n.kind != want:
		d.bad.addf(n.line, path, "expected %s, got %s", expected(v.Type()), n.kind)
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, path)
	case v.Kind() == reflect.Map:
		d.table(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	known := d.fieldsOf(v.Type())
	for _, e := range n.entries {
		index, ok := known.index[e.key]
		if !ok {
			d.unknown(e, known, path)
			continue
		}
		field, below, tag := v.FieldByIndex(index), problem.Key(path, e.key), v.Type().FieldByIndex(index).Tag
		if seconds, is := inSeconds(e.val); is && tag.Get("unit") == "seconds" {
			d.bad.addf(e.val.line, below, "%s is written in seconds: %d", e.val.text, seconds)
			continue
		}
		d.value(e.val, field, below)
		if tag.Get("zero") == "no" && isZero(e.val, field) {
			d.bad.addf(e.val.line, below, "%s is no time to wait; leave the key out for the default", e.val.text)
		}
	}
}

func (d *decoder) table(n *node, v reflect.Value, path string) {
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, len(n.entries)))
	for _, e := range n.entries {
		below := problem.Key(path, e.key)
		if strings.Contains(e.key, envMark) {
			d.bad.addf(e.line, below, envElsewhere)
			continue
		}
		val := reflect.New(t.Elem()).Elem()
		d.value(e.val, val, below)
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(t.Key()), val)
	}
}

func (d *decoder) list(n *node, v reflect.Value, path string) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	single := v.Type().Implements(singleType) && len(n.items) == 1
	for i, item := range n.items {
		below := indexPath(path, i)
		if single {
			below = path
		}
		d.value(item, v.Index(i), below)
	}
}
