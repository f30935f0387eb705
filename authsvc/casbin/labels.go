package casbin

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/regate/regate/authsvc/authn"
)

// labelsOf is the text that a model sees as labels: {"group":["web"]}.
func labelsOf(labels authn.Labels) (string, error) {
	values := make(map[string][]string, len(labels))
	for name, list := range labels {
		values[name] = []string{}
		for _, l := range list {
			values[name] = append(values[name], l.Value)
		}
	}
	text, err := json.Marshal(values)
	return string(text), err
}

var errLabels = errors.New(`labelMatch is for two texts such as {"group": ["web"]}`)

func parseLabels(text string) (labels map[string][]string, err error) {
	if err := json.Unmarshal([]byte(text), &labels); err != nil || labels == nil {
		return nil, errLabels
	}
	return labels, nil
}

// labelMatch is docker_auth's function of this name for matchers. It reports
// whether the labels of the first have all values of those of the second. What
// are no labels is an error, and nobody's condition.
func labelMatch(args ...any) (any, error) {
	if len(args) != 2 {
		return false, errLabels
	}
	has, err := labelsIn(args[0])
	if err != nil {
		return false, err
	}
	needed, err := labelsIn(args[1])
	if err != nil {
		return false, err
	}
	for name, values := range needed {
		for _, v := range values {
			if !slices.Contains(has[name], v) {
				return false, nil
			}
		}
	}
	return true, nil
}

func labelsIn(arg any) (map[string][]string, error) {
	text, ok := arg.(string)
	if !ok {
		return nil, errLabels
	}
	return parseLabels(text)
}
