package sqldb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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

// mostLabels bounds the labels of an account, in bytes. They are remembered for
// a while after a login.
const mostLabels = 1 << 20

var errLabels = errors.New(`are not like {"team": ["web"]}`)

// readLabels reads {"team": ["web"]}. They are the operator's own words, as those
// of the accounts in the configuration are, so a "*" in them is a wildcard.
// Where there are none, xorm writes nothing, or null.
func readLabels(data []byte) (authn.Labels, error) {
	if data = bytes.TrimSpace(data); len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	if len(data) > mostLabels {
		return nil, fmt.Errorf("are longer than %d KiB", mostLabels>>10)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errLabels
	}
	labels, seen := make(authn.Labels), make(map[string]bool)
	for d.More() {
		name, values, err := readLabel(d)
		if err != nil || name == "" || seen[name] { // of two, it would be anybody's guess which counts
			return nil, errLabels
		}
		seen[name] = true
		if len(values) > 0 {
			labels[name] = values
		}
	}
	_, end := d.Token() // }
	if _, more := d.Token(); end != nil || !errors.Is(more, io.EOF) {
		return nil, errLabels
	}
	return labels, nil
}

// readLabel reads one key with its values.
func readLabel(d *json.Decoder) (name string, values []authn.Label, err error) {
	t, err := d.Token()
	if err != nil {
		return "", nil, err
	}
	name, _ = t.(string)
	var said []*string
	if err := d.Decode(&said); err != nil {
		return "", nil, err
	}
	for _, v := range said {
		if v == nil {
			return "", nil, errLabels
		}
		values = append(values, authn.Label{Value: *v, Pattern: true})
	}
	return name, values, nil
}
