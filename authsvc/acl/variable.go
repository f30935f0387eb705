package acl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A field is what a pattern may be about, apart from labels.
type field uint8

const (
	account field = iota
	typ
	name
	service
	numFields
)

var fieldNames = [numFields]string{"account", "type", "name", "service"}

func (f field) String() string { return fieldNames[f] }

func parseField(s string) (field, bool) {
	for f, n := range fieldNames {
		if n == s {
			return field(f), true
		}
	}
	return 0, false
}

// A part is a piece of a pattern: plain text or a variable.
type part struct {
	kind  partKind
	text  string // of plainText; the name of a labelValue
	field field  // of fieldValue and capture
	group int    // of capture
}

type partKind uint8

const (
	plainText  partKind = iota
	fieldValue          // ${account}
	capture             // ${account:1}
	labelValue          // ${labels:group}
)

// split cuts a pattern at its variables.
func split(s string) ([]part, error) {
	var parts []part
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !found {
			break
		}
		if strings.HasSuffix(strings.ReplaceAll(before, `\\`, ""), `\`) {
			return nil, errors.New(`\${ escapes half of a variable; write $\{ for the text`)
		}
		inner, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("${%s is not closed with }", inner)
		}
		v, err := parseVariable(inner)
		if err != nil {
			return nil, err
		}
		parts, s = append(parts, v), after
	}
	return parts, nil
}

func parseVariable(s string) (part, error) {
	if label, ok := strings.CutPrefix(s, "labels:"); ok && label != "" {
		return part{kind: labelValue, text: label}, nil
	}
	fieldName, group, isCapture := strings.Cut(s, ":")
	f, ok := parseField(fieldName)
	if ok && !isCapture {
		return part{kind: fieldValue, field: f}, nil
	}
	n, err := strconv.Atoi(group)
	if !ok || err != nil {
		return part{}, fmt.Errorf("${%s} is unknown: there are ${account}, ${type}, ${name}, ${service}, "+
			"${account:1} (a group of the regex for account) and ${labels:…}", s)
	}
	return part{kind: capture, field: f, group: n}, nil
}

// hasVariables reports whether any of the parts is one.
func hasVariables(parts []part) bool {
	for _, p := range parts {
		if p.kind != plainText {
			return true
		}
	}
	return false
}
