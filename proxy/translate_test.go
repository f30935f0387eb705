package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/regate/regate/internal/oci"
)

// renamedExchange is a mount from hub/base to team/app, which the registry
// knows as base and prod/team/app.
func renamedExchange(t testing.TB) exchange {
	req, err := oci.Parse("POST", uploads+"?mount="+someDigest+"&from=hub/base")
	if err != nil {
		t.Fatal(err)
	}
	sent, err := req.Renamed("prod/team/app", "base")
	if err != nil {
		t.Fatal(err)
	}
	return exchange{req: req, sent: sent}
}

var textTests = []struct{ text, want string }{
	{"", ""},
	{"no name", "no name"},
	{"prod/team/app", "team/app"},
	{"unknown manifest name=prod/team/app revision=" + someDigest, "unknown manifest name=team/app revision=" + someDigest},
	{"prod/team/app, prod/team/app.", "team/app, team/app."},
	{"prod/team/app...", "team/app..."},
	{"prod/team/app.Again", "team/app.Again"},
	{"GET http://10.0.0.7:5000/v2/prod/team/app/tags/list", "GET http://10.0.0.7:5000/v2/team/app/tags/list"},
	{"/var/lib/registry/repositories/prod/team/app/_layers", "/var/lib/registry/repositories/team/app/_layers"},
	{"from=prod%2Fteam%2Fapp&x", "from=team%2Fapp&x"},
	{"/v2%2fprod%2fteam%2fapp", "/v2%2fteam%2fapp"},
	{`{"name":"prod/team/app\nbase"}`, `{"name":"team/app\nhub/base"}`},
	{"prod/team/app2", "prod/team/app2"},
	{"prod/team/app-x", "prod/team/app-x"},
	{"preprod/team/app", "preprod/team/app"},
	{"pre-prod/team/app", "pre-prod/team/app"},
	{"base", "hub/base"},
	{"base-image database base.layer", "base-image database base.layer"},
	{"base: not found", "hub/base: not found"},
}

func TestTranslateText(t *testing.T) {
	names := renamedExchange(t).translation()
	for _, tt := range textTests {
		if got := names.text(tt.text); got != tt.want {
			t.Errorf("text(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := (translation{{"a/b", "longer"}, {"a", "shorter"}}).text("a/b a a/c"); got != "longer shorter shorter/c" {
		t.Errorf("of two names that begin alike: %s", got)
	}
	if same := (exchange{}).translation(); len(same) > 0 {
		t.Errorf("equal names are translated: %v", same)
	}
}

var jsonTests = []struct{ text, want string }{
	{`{"errors":[{"code":"NAME_UNKNOWN","message":"unknown","detail":{"name":"prod/team/app"}}]}`, `{"errors":[{"code":"NAME_UNKNOWN","message":"unknown","detail":{"name":"team/app"}}]}`},
	{`{"errors":[{"code":"base","message":"base","detail":["base",{"base":1.50e3,"code":"base"}]}]}`, `{"errors":[{"code":"base","message":"hub/base","detail":["hub/base",{"hub/base":1.50e3,"code":"hub/base"}]}]}`},
	{`{"errors": [ {"detail":"prod\/team\u002fapp"}, null, true, [] , {} ]}` + "\n", `{"errors":[{"detail":"team/app"},null,true,[],{}]}` + "\n"},
	{`{"a":"<&>prod/team/app","a":"twice"}`, `{"a":"<&>team/app","a":"twice"}`},
	{`"prod/team/app"`, `"team/app"`},
	{`[1,[2,[3,"base"]],-4]`, `[1,[2,[3,"hub/base"]],-4]`},
	{`{"errors":[`, ""},
	{`{"a":1}}`, ""},
	{`prod/team/app`, ""},
	{strings.Repeat("[", 1000) + strings.Repeat("]", 1000), ""},
}

func TestTranslateJSON(t *testing.T) {
	names := renamedExchange(t).translation()
	for _, tt := range jsonTests {
		got, ok := names.json([]byte(tt.text))
		if ok != (tt.want != "") || ok && string(got) != tt.want {
			t.Errorf("json(%.90q) = %q, %v, want %q", tt.text, got, ok, tt.want)
		}
	}
}

// TestTranslationIsBounded has texts that grow with every name in them.
func TestTranslationIsBounded(t *testing.T) {
	long := strings.Repeat("a/", 120) + "a"
	names := translation{{"a", long}}
	text := strings.Repeat("a ", maxWhole/2)
	if got := names.text(text); len(got) > maxWhole+len(long) {
		t.Errorf("%d bytes became %d", len(text), len(got))
	}
	if got, ok := names.json([]byte(`["` + strings.Repeat(`a","`, maxWhole/4) + `"]`)); ok {
		t.Errorf("%d bytes passed", len(got))
	}
}

// FuzzTranslateJSON checks that JSON stays JSON of the same form, and that
// nothing is left of the registry's name.
func FuzzTranslateJSON(f *testing.F) {
	for _, tt := range jsonTests {
		f.Add([]byte(tt.text))
	}
	names := translation{{"prod/team/app", "x"}}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, ok := names.json(text)
		if !ok {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(out)))
		for d.More() {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%q became %q: %v", text, out, err)
			}
		}
		again, ok := names.json(out)
		if !ok || string(again) != string(out) {
			t.Errorf("%q became %q, and that %q", text, out, again)
		}
	})
}
