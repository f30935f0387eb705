package mongo

import (
	"errors"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
)

// mostUser bounds the documents of an account. They are remembered for a while
// after a login.
const mostUser = 1 << 20

var errTooLarge = errors.New("the documents are too large")

// A user is the document of an account.
type user struct {
	name   string
	hash   *string // nil if there is no password
	labels authn.Labels
}

// readUser understands what docker_auth writes. What else is in the document
// is nobody's business here.
func readUser(doc bson.Raw) (u user, err error) {
	fields, err := fieldsOf(doc)
	if err != nil {
		return u, err
	}
	var ok bool
	if u.name, ok = fields["username"].StringValueOK(); !ok {
		return u, errors.New("username is not a text")
	}
	if v := fields["password"]; present(v) {
		hash, ok := v.StringValueOK()
		if !ok {
			return u, errors.New("password is not a text")
		}
		u.hash = &hash
	}
	if v := fields["labels"]; present(v) {
		if u.labels, err = readLabels(v); err != nil {
			return u, fmt.Errorf("labels: %w", err)
		}
	}
	return u, nil
}

// readLabels: the operator has written them, so that a "*" is a wildcard.
func readLabels(v bson.RawValue) (authn.Labels, error) {
	doc, ok := v.DocumentOK()
	if !ok {
		return nil, errors.New("not a document")
	}
	fields, err := fieldsOf(doc)
	if err != nil {
		return nil, err
	}
	labels := make(authn.Labels, len(fields))
	for name, v := range fields {
		if name == "" {
			return nil, errors.New("one has no name")
		}
		values, err := texts(v)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		for _, value := range values {
			labels[name] = append(labels[name], authn.Label{Value: value, Pattern: true})
		}
	}
	return labels, nil
}

func texts(v bson.RawValue) ([]string, error) {
	array, ok := v.ArrayOK()
	if !ok {
		return nil, errors.New("not an array of texts")
	}
	values, err := array.Values()
	if err != nil {
		return nil, err
	}
	all := make([]string, len(values))
	for i, v := range values {
		if all[i], ok = v.StringValueOK(); !ok {
			return nil, errors.New("not an array of texts")
		}
	}
	return all, nil
}

// readRule understands what docker_auth reads. What it ignores in a match would
// be a condition that is missing, and is a mistake.
func readRule(doc bson.Raw) (n acl.Numbered, err error) {
	fields, err := fieldsOf(doc)
	if err != nil {
		return n, err
	}
	if n.Seq, err = readSeq(fields["seq"]); err != nil {
		return n, err
	}
	said := bson.D{}
	for _, key := range []string{"match", "actions", "comment"} {
		if v, ok := fields[key]; ok {
			if err := isPlain(v, ruleLevels); err != nil {
				return n, fmt.Errorf("the rule with seq %d: %s %w", n.Seq, key, err)
			}
			said = append(said, bson.E{Key: key, Value: v})
		}
	}
	text, err := bson.MarshalExtJSON(said, false, false)
	if err == nil {
		n.Rule, err = acl.ParseJSON(text)
	}
	if err != nil {
		return n, fmt.Errorf("the rule with seq %d: %w", n.Seq, err)
	}
	return n, nil
}

// ruleLevels is how deep a rule goes: match, labels, and a text.
const ruleLevels = 3

// isPlain refuses what no rule is made of, before the driver goes through all of
// it: a stack has no room for the levels that a server can make up.
func isPlain(v bson.RawValue, levels int) error {
	switch {
	case v.Type == bson.TypeString, v.Type == bson.TypeNull:
		return nil
	case v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray:
		return fmt.Errorf("has a value that is no text, but of the type %s", v.Type)
	case levels == 1:
		return errors.New("goes too deep")
	}
	values, err := bson.Raw(v.Value).Values()
	if err != nil {
		return errors.New("is broken")
	}
	for _, inner := range values {
		if err := isPlain(inner, levels-1); err != nil {
			return err
		}
	}
	return nil
}

// readSeq takes the numbers of the shell as well, which are all floating.
func readSeq(v bson.RawValue) (int64, error) {
	if f, ok := v.DoubleOK(); ok && (f != math.Trunc(f) || math.Abs(f) > 1<<53) {
		return 0, errors.New("seq is not a whole number")
	}
	seq, ok := v.AsInt64OK()
	switch {
	case !present(v):
		return 0, errors.New("a rule has no seq")
	case !ok:
		return 0, errors.New("seq is not a number")
	}
	return seq, nil
}

// fieldsOf refuses a field that is there twice: which of them counts would be
// anybody's guess.
func fieldsOf(doc bson.Raw) (map[string]bson.RawValue, error) {
	if err := doc.Validate(); err != nil {
		return nil, errors.New("the document is broken")
	}
	elements, err := doc.Elements()
	if err != nil {
		return nil, errors.New("the document is broken")
	}
	fields := make(map[string]bson.RawValue, len(elements))
	for _, e := range elements {
		if _, again := fields[e.Key()]; again {
			return nil, fmt.Errorf("the document has %q twice", e.Key())
		}
		fields[e.Key()] = e.Value()
	}
	return fields, nil
}

func present(v bson.RawValue) bool {
	return v.Type != 0 && v.Type != bson.TypeNull && v.Type != bson.TypeUndefined
}
