package acl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ParseJSON reads one rule as docker_auth keeps it in a database:
//
//	{"match": {"account": "alice", "labels": {"team": "web"}}, "actions": ["pull"], "comment": "…"}
//
// A key that does not exist is an error, and so is null: a condition that is
// misspelt, or got lost, would make the rule match everything.
func ParseJSON(data []byte) (Rule, error) {
	var said struct {
		Match   json.RawMessage `json:"match"`
		Actions []*string       `json:"actions"`
		Comment *string         `json:"comment"`
	}
	if err := strict(data, &said); err != nil {
		return Rule{}, err
	}
	r := Rule{}
	if said.Comment != nil {
		r.Comment = *said.Comment
	}
	if said.Actions != nil {
		r.Actions = make([]string, len(said.Actions))
	}
	for i, a := range said.Actions {
		if a == nil {
			return Rule{}, fmt.Errorf("actions[%d] is null", i)
		}
		r.Actions[i] = *a
	}
	if said.Match == nil {
		return r, nil // Compile says what is wrong with that
	}
	match, err := parseMatch(said.Match)
	r.Match = match
	return r, err
}

func parseMatch(data []byte) (*Match, error) {
	var said struct {
		Account *string         `json:"account"`
		Type    *string         `json:"type"`
		Name    *string         `json:"name"`
		Service *string         `json:"service"`
		IP      *string         `json:"ip"`
		Labels  json.RawMessage `json:"labels"`
	}
	if err := strict(data, &said); err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	if err := noNull(data); err != nil {
		return nil, err
	}
	m := &Match{Account: said.Account, Type: said.Type, Name: said.Name, Service: said.Service, IP: said.IP}
	if said.Labels == nil {
		return m, nil
	}
	var err error
	m.Labels, err = parseLabels(said.Labels)
	return m, err
}

// parseLabels returns nil if there are none.
func parseLabels(data []byte) (labels map[string]string, err error) {
	if err := keysOnce(data, exactly); err != nil {
		return nil, fmt.Errorf("match.labels: %w", err)
	}
	var said map[string]*string
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, fmt.Errorf("match.labels: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	for label, p := range said {
		if p == nil {
			return nil, fmt.Errorf("match.labels.%s is null", label)
		}
		if labels == nil {
			labels = make(map[string]string, len(said))
		}
		labels[label] = *p
	}
	return labels, nil
}

// noNull refuses a match, or a condition of it, that is null.
func noNull(data []byte) error {
	var conditions map[string]any
	if err := json.Unmarshal(data, &conditions); err != nil {
		return errors.New("match is no JSON object")
	}
	if conditions == nil {
		return errors.New("match is null")
	}
	for key, value := range conditions {
		if value == nil {
			return fmt.Errorf("match.%s is null: leave it out if it does not matter", key)
		}
	}
	return nil
}

// strict reads one JSON object into v. Keys that v does not have, or that are
// there twice, are errors.
func strict(data []byte, v any) error {
	if err := keysOnce(data, folded); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// folded is for keys of a struct, of which the decoder takes ſervice for one too.
func folded(key string) string { return strings.ToLower(strings.ToUpper(key)) }

// exactly is for labels, whose names are what they are.
func exactly(key string) string { return key }

// keysOnce checks the keys of the object that data is, but not those of objects
// in it. Go's decoder takes the last of equal ones and, in a struct, Match for
// match, as docker_auth itself writes it: same makes them one.
func keysOnce(data []byte, same func(key string) string) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("no JSON object")
	}
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return errors.New("malformed JSON")
		}
		key, _ := t.(string)
		if key = same(key); seen[key] {
			return fmt.Errorf("the key %q is there twice", key)
		}
		seen[key] = true
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return errors.New("malformed JSON")
		}
	}
	_, _ = d.Token() // }
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("malformed JSON")
	}
	return nil
}
