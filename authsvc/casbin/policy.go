package casbin

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/casbin/v2/persist"
)

// Each question goes through the policy from its beginning, so that its length
// is what an answer costs.
const (
	mostModel  = 64 << 10
	mostPolicy = 4 << 20
	mostLines  = 10_000
)

// contents reads a file that is no longer than so many bytes.
func contents(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	if int64(len(text)) > most {
		return "", fmt.Errorf("%s is longer than %d KiB", path, most>>10)
	}
	return string(text), nil
}

// request is what a model must say that it is asked, as docker_auth asks.
var request = []string{"r_account", "r_type", "r_name", "r_service", "r_ip", "r_action", "r_labels"}

func readModel(path string) (model.Model, error) {
	text, err := contents(path, mostModel)
	if err != nil {
		return nil, err
	}
	m, err := model.NewModelFromString(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r := m["r"]["r"]; r == nil || !slices.Equal(r.Tokens, request) {
		return nil, fmt.Errorf("%s: request_definition must be r = account, type, name, service, ip, action, labels", path)
	}
	if asked.MatchString(m["m"]["m"].Value) {
		return nil, fmt.Errorf("%s: eval of what is asked would let everybody write rules", path)
	}
	return m, nil
}

// asked is a matcher that takes what is asked for a matcher.
var asked = regexp.MustCompile(`\beval\s*\(\s*r_`)

// A policy is a file with the lines of one. Casbin's own adapters drop what
// they cannot read; a line that is dropped may be a refusal.
type policy struct {
	path, text string
}

// LoadPolicy is persist.Adapter's.
func (p policy) LoadPolicy(m model.Model) error {
	lines := 0
	number := 0
	for line := range strings.Lines(p.text) {
		number++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if lines++; lines > mostLines {
			return fmt.Errorf("%s has more than %d rules", p.path, mostLines)
		}
		if err := load(line, m); err != nil {
			return fmt.Errorf("%s, line %d: %w", p.path, number, err)
		}
	}
	return nil
}

func load(line string, m model.Model) error {
	r := csv.NewReader(strings.NewReader(line))
	r.TrimLeadingSpace = true
	values, err := r.Read()
	if err != nil {
		return fmt.Errorf(`not a list of values: %w; one with quotes is written "{""group"": [""web""]}"`, errors.Unwrap(err))
	}
	kind := values[0]
	if kind == "" || m[kind[:1]][kind] == nil || kind[:1] != "p" && kind[:1] != "g" {
		return fmt.Errorf("the model has no %q", kind)
	}
	if err := checkValues(m, kind, values[1:]); err != nil {
		return err
	}
	return persist.LoadPolicyArray(values, m)
}

// checkValues finds what Casbin would stumble upon at each question, and labels
// which docker_auth takes for no condition at all.
func checkValues(m model.Model, kind string, values []string) error {
	definition := m[kind[:1]][kind]
	want := len(definition.Tokens)
	if kind[:1] == "g" {
		want = strings.Count(definition.Value, "_")
	}
	if len(values) != want {
		return fmt.Errorf("%s needs %d values, and there are %d", kind, want, len(values))
	}
	if i := slices.Index(definition.Tokens, kind+"_eft"); i >= 0 && values[i] != "allow" && values[i] != "deny" {
		return fmt.Errorf("the effect is allow or deny, and not %q", values[i])
	}
	i := slices.Index(definition.Tokens, kind+"_labels")
	if i < 0 || !strings.Contains(m["m"]["m"].Value, "labelMatch(") {
		return nil
	}
	if _, err := parseLabels(values[i]); err != nil {
		return errors.New(`the labels are no JSON such as {"group": ["web"]}; where they do not matter, they are {}`)
	}
	return nil
}

var errReadOnly = errors.New("the policy is never written")

// SavePolicy is persist.Adapter's, and so are the others.
func (policy) SavePolicy(model.Model) error { return errReadOnly }

// AddPolicy fails.
func (policy) AddPolicy(string, string, []string) error { return errReadOnly }

// RemovePolicy fails.
func (policy) RemovePolicy(string, string, []string) error { return errReadOnly }

// RemoveFilteredPolicy fails.
func (policy) RemoveFilteredPolicy(string, string, int, ...string) error { return errReadOnly }
