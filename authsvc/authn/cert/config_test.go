package cert

import (
	"strings"
	"testing"
)

var configTests = []struct {
	name string
	rule Rule
	want string // in what Validate says; "" is nothing
}{
	{"the least", Rule{Name: "cn"}, ""},
	{"all", Rule{Name: "uri", Match: "spiffe://*/*", Account: "${2}-${1}", Labels: map[string][]string{"a": {"${1}", "x-${ou}-${1}"}}}, ""},
	{"dollar", Rule{Name: "cn", Account: "$1$"}, ""},
	{"default match has a star", Rule{Name: "dns", Account: "x-${1}"}, ""},
	{"no name", Rule{}, "[0].name: is missing"},
	{"unknown name", Rule{Name: "san"}, `[0].name: "san" is none of`},
	{"name in capitals", Rule{Name: "CN"}, `[0].name: "CN" is none of`},
	{"too many stars", Rule{Name: "cn", Match: "**********"}, "[0].match: has more than 9 stars"},
	{"no text", Rule{Name: "cn", Match: "\x8d*"}, "[0].match: is not valid UTF-8"},
	{"no such star", Rule{Name: "cn", Match: "a-*", Account: "${2}"}, "[0].account: ${2}: match has 1 stars"},
	{"uri without match has no star", Rule{Name: "uri", Account: "${1}"}, "[0].account: ${1}: match has 0 stars"},
	{"star 0", Rule{Name: "cn", Account: "${0}"}, "[0].account: ${0}"},
	{"star 01", Rule{Name: "cn", Account: "${01}"}, "[0].account: ${01}"},
	{"unknown variable", Rule{Name: "cn", Account: "${cn}"}, "[0].account: ${cn} does not stand for anything here"},
	{"account of many", Rule{Name: "cn", Account: "${ou}"}, "[0].account: ${ou} does not stand for anything here"},
	{"open variable", Rule{Name: "cn", Account: "${1"}, "[0].account: has a ${ without its }"},
	{"variable in a variable", Rule{Name: "cn", Account: "${${1}}"}, "[0].account: has a ${ without its }"},
	{"label of many twice", Rule{Name: "cn", Labels: map[string][]string{"l": {"ok", "${ou}-${o}"}}}, "[0].labels.l[1]: has more than one of"},
	{"label of one twice", Rule{Name: "cn", Labels: map[string][]string{"l": {"${ou}-${ou}"}}}, ""},
	{"unknown variable in a label", Rule{Name: "cn", Labels: map[string][]string{"l": {"${team}"}}}, "[0].labels.l[0]: ${team}"},
	{"empty value", Rule{Name: "cn", Labels: map[string][]string{"l": {""}}}, "[0].labels.l[0]: is empty"},
	{"label without a name", Rule{Name: "cn", Labels: map[string][]string{"": {"x"}}}, `[0].labels[""]: a label needs a name`},
}

func TestValidate(t *testing.T) {
	for _, tt := range configTests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := (Config{tt.rule}).Validate(); err != nil {
				got = err.Error()
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("Validate() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRuleThatIsNeverUsed(t *testing.T) {
	err := Config{{Name: "dns"}, {Name: "cn", CA: "ca"}, {Name: "dns", Match: "*", CA: "ca"}, {Name: "cn"}}.Validate()
	if err == nil || err.Error() != "[2].match: is that of rule 0, which comes first: this one is never used" {
		t.Errorf("Validate() = %v", err)
	}
}
