package configs

import (
	"reflect"
	"strings"
)

// fields are the keys that a Config struct takes.
type fields struct {
	names []string         // in the order of the struct
	index map[string][]int // by name, for reflect.Value.FieldByIndex
}

func (f *fields) has(name string) bool { _, ok := f.index[name]; return ok }

func (d *decoder) fieldsOf(t reflect.Type) *fields {
	f, ok := d.fields[t]
	if !ok {
		f = fieldsOf(t)
		d.fields[t] = f
	}
	return f
}

// fieldsOf reads the yaml tags of a struct: a name, "-" for none, ",inline"
// for a struct whose keys stand at this level. Other types have no fields.
func fieldsOf(t reflect.Type) *fields {
	f := &fields{index: make(map[string][]int)}
	if t.Kind() == reflect.Struct {
		f.collect(t, nil)
	}
	return f
}

func (f *fields) collect(t reflect.Type, above []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, opts, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		index := append(above[:len(above):len(above)], i)
		switch {
		case opts == "inline" && field.Type.Kind() == reflect.Struct:
			f.collect(field.Type, index)
		case field.IsExported() && name != "" && name != "-":
			f.names = append(f.names, name)
			f.index[name] = index
		}
	}
}
