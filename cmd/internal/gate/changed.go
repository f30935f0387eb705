package gate

import (
	"reflect"
	"strings"
)

// changedKeys lists the keys in which two sections of the configuration differ, as
// was and is have them; at is the section's own key. A list that is empty says
// as much as none.
func changedKeys(at string, was, is any) []string {
	return changedBelow(at, reflect.ValueOf(was), reflect.ValueOf(is))
}

func changedBelow(at string, was, is reflect.Value) (keys []string) {
	if was.Kind() == reflect.Pointer && !was.IsNil() && !is.IsNil() {
		was, is = was.Elem(), is.Elem()
	}
	if was.Kind() != reflect.Struct {
		empty := was.Kind() == reflect.Slice && was.Len()+is.Len() == 0
		if !empty && !reflect.DeepEqual(was.Interface(), is.Interface()) {
			return []string{at}
		}
		return nil
	}
	for i := range was.NumField() {
		key, inline, _ := strings.Cut(was.Type().Field(i).Tag.Get("yaml"), ",")
		below := at + "." + key
		if inline == "inline" {
			below = at
		}
		keys = append(keys, changedBelow(below, was.Field(i), is.Field(i))...)
	}
	return keys
}
