package ext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// TestKeysAreExact: neither in another case nor twice, wherever they stand.
func TestKeysAreExact(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"Labels": {"team": ["web"]}}`,
		`{"LABELS": {}}`,
		`{"label\u017f": {}}`, // a letter that folds to s
		`{"labels": {}, "labels": {"team": ["web"]}}`,
		`{"labels": {"team": ["web"]}, "labels": {}}`,
		`{"labels": {}, "\u006cabels": {}}`,
		`{"labels": {}, "Labels": {}}`,
		`{"labels": {"team": ["web"], "team": ["ops"]}}`,
		`{"Account": "alice"}`,
		`{"account": "alice", "account": "admin"}`,
		`{"account": ["alice"]}`,
	} {
		if got, err := readIdentity([]byte(text), "alice"); !errors.Is(err, errMalformed) {
			t.Errorf("readIdentity(%s) = %v, %v", text, got, err)
		}
		hook := `{"result": "allow", ` + text[1:]
		a, err := readAnswer(strings.NewReader(hook))
		if err == nil {
			_, err = readIdentity(a.details, "alice")
		}
		if !errors.Is(err, errMalformed) {
			t.Errorf("the hook's %s: %v", hook, err)
		}
	}
	for _, text := range []string{
		`{"Actions": ["pull"]}`,
		`{"actions": [], "actions": ["pull"]}`,
		`{"actions": ["pull"], "ACTIONS": []}`,
		`{"actions": null}`,
		`{}`,
	} {
		if got, err := readActions([]byte(text), oci.Pull); !errors.Is(err, errMalformed) || got != 0 {
			t.Errorf("readActions(%s) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		`{"Result": "allow"}`,
		`{"result": "deny", "result": "allow"}`,
		`{"result": "allow", "Result": "deny"}`,
		`{"result": "deny", "labels": {"x": [{"y": 1, "y": 2}]}}`,
	} {
		a, err := readAnswer(strings.NewReader(text))
		if err == nil {
			_, err = readIdentity(a.details, "alice")
		}
		if err == nil {
			t.Errorf("readAnswer(%s) = %v", text, a)
		}
	}
}

// FuzzKeys has each key of what is accepted come once more, which is refused.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"labels": {"team": ["web", 1e999, null]}, "a": [[{}], {"a": {}}]}`))
	f.Add([]byte(`{"a": 1, "\u0061": 2}`))
	f.Add([]byte(strings.Repeat(`{"a":`, 20000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := decodeKeys(text)
		for name, value := range keys {
			if err != nil {
				t.Fatalf("decodeKeys(%q) = %v, %v", text, keys, err)
			}
			key, _ := json.Marshal(name)
			twice := fmt.Sprintf("{%s: %s, %s", key, value, bytes.TrimSpace(text)[1:])
			if keys, err := decodeKeys([]byte(twice)); !errors.Is(err, errMalformed) {
				t.Errorf("decodeKeys(%q) = %v, %v", twice, keys, err)
			}
		}
	})
}
