package sqldb

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/regate/regate/authsvc/authn"
)

// identity is the account with its labels. Without all of them it is nobody
// that could be decided about, since rules may refuse by a label.
func (a account) identity() (authn.Identity, error) {
	labels, err := readLabels(a.labels)
	if err != nil {
		return authn.Identity{}, authn.Undecided(a.explain("labels", err))
	}
	return authn.Identity{Account: a.name, Labels: labels}, nil
}

var errLabels = errors.New(`are not like {"team": ["web"]}`)

// readLabels reads {"team": ["web"]}. They are the operator's own words, as those
// of the accounts in the configuration are, so a "*" in them is a wildcard.
// Where there are none, xorm writes nothing, or null.
func readLabels(data []byte) (authn.Labels, error) {
	if data = bytes.TrimSpace(data); len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	var said map[string][]*string
	if json.Unmarshal(data, &said) != nil {
		return nil, errLabels
	}
	labels := make(authn.Labels, len(said))
	for name, values := range said {
		if name == "" {
			return nil, errLabels
		}
		for _, v := range values {
			if v == nil {
				return nil, errLabels
			}
			labels[name] = append(labels[name], authn.Label{Value: *v, Pattern: true})
		}
	}
	return labels, nil
}
