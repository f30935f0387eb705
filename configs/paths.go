package configs

import (
	"reflect"
	"slices"
	"strings"
)

// Paths are the files whose change is a reason to load again: f itself, and
// what its keys name: certificates, keys, and every …_file.
func (f *File) Paths() []string {
	paths := append(filesIn(reflect.ValueOf(f).Elem(), ""), f.path)
	slices.Sort(paths)
	return slices.Compact(paths)
}

// filesIn finds the files that v names, a value of a Config under this key.
func filesIn(v reflect.Value, key string) (paths []string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return filesIn(v.Elem(), key)
		}
	case reflect.Struct:
		for name, index := range fieldsOf(v.Type()).index {
			switch v.Type().FieldByIndex(index).Tag.Get("file") {
			case "no":
			case "yes":
				paths = append(paths, filesIn(v.FieldByIndex(index), "file")...)
			default:
				paths = append(paths, filesIn(v.FieldByIndex(index), name)...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			paths = append(paths, filesIn(v.Index(i), key)...)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			paths = append(paths, filesIn(v.MapIndex(k), "")...)
		}
	case reflect.String:
		if v.Type() != secretType && v.String() != "" && namesFile(key) {
			return []string{v.String()}
		}
	}
	return paths
}

// namesFile reports whether a key's value is the path of a file that is read
// again. A field that only looks like it has the tag file:"no", such as the
// state's key_file, which is read at start only, and one that does not look
// like it file:"yes". root_file is written by the gate itself.
func namesFile(key string) bool {
	if key == "root_file" {
		return false
	}
	return slices.Contains([]string{"file", "cert", "certificate", "key", "ca", "roots"}, key[strings.LastIndexByte(key, '_')+1:])
}
