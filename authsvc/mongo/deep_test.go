package mongo

import (
	"encoding/binary"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// deep is {KEY: {"": {"": …}}} of so many documents in one another.
func deep(key string, levels int) bson.Raw {
	inner := levels - 1
	doc := make([]byte, 0, 5+len(key)+2+inner*7+5)
	open := func(key string, left int) { // the length of a document with left in it
		size := 4 + 1
		if left > 0 {
			size = 4 + 1 + len(key) + 1 + (5 + (left-1)*7) + 1
		}
		doc = binary.LittleEndian.AppendUint32(doc, uint32(size))
	}
	open(key, inner+1)
	doc = append(append(append(doc, byte(bson.TypeEmbeddedDocument)), key...), 0)
	for left := inner; left > 0; left-- {
		open("", left)
		doc = append(doc, byte(bson.TypeEmbeddedDocument), 0)
	}
	open("", 0)
	for range levels + 1 {
		doc = append(doc, 0)
	}
	return doc
}

// TestDeepDocuments: a server that lies can send what MongoDB itself never
// keeps (a hundred levels at most), and no stack has room for.
func TestDeepDocuments(t *testing.T) {
	if err := deep("match", 50).Validate(); err != nil {
		t.Fatalf("the test's document is broken: %v", err)
	}
	for key, want := range map[string]string{
		"match":    "the rule with seq 1: match goes too deep",
		"actions":  "the rule with seq 1: actions goes too deep",
		"comment":  "the rule with seq 1: comment goes too deep",
		"labels":   `labels: "a": not an array of texts`,
		"password": "password is not a text",
	} {
		doc, err := bson.Marshal(bson.D{{Key: "seq", Value: 1}, {Key: "username", Value: "alice"}, {Key: key, Value: deep("a", 4_000_000)}})
		must(t, err)
		_, ruleErr := readRule(doc)
		_, userErr := readUser(doc)
		if got := said(ruleErr) + said(userErr); got != want {
			t.Errorf("%s: %.200s, want %s", key, got, want)
		}
	}
}

// TestRuleOfNothing is left to Compile, which says what is missing.
func TestRuleOfNothing(t *testing.T) {
	doc, err := bson.Marshal(bson.M{"seq": 7})
	must(t, err)
	if n, err := readRule(doc); err != nil || n.Seq != 7 || n.Rule.Match != nil || n.Rule.Actions != nil {
		t.Errorf("readRule() = %v, %v", n, err)
	}
}
