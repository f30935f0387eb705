package mongo

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/acl"
)

// Rules is the acl.Decider behind acl_mongo. Run reads the rules.
type Rules struct {
	*acl.Follower
	*collection
}

// NewRules returns the decider that cfg, which is valid, describes. It reads
// files and connects to nothing. What is wrong with a file is a problem.List.
func NewRules(cfg RulesConfig, log *zap.Logger) (*Rules, error) {
	docs, err := newCollection(cfg.DialInfo, cfg.Collection)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	r := &Rules{collection: docs}
	r.Follower = acl.Follow(r.read, cfg.Every(), log.Named("acl_mongo"))
	return r, nil
}

// mostBytes has room for what documents have besides what a rule needs.
const mostBytes = 2 * acl.MaxBytes

// read is the acl.Source. One document that is wrong is enough for an error: it
// may be a refusal. The server is not asked to sort: going through an index of
// seq, it would miss a rule that is moved meanwhile.
func (r *Rules) read(ctx context.Context) (acl.Config, error) {
	wanted := options.Find().SetLimit(acl.MaxRules + 1).
		SetProjection(bson.D{{Key: "seq", Value: 1}, {Key: "match", Value: 1}, {Key: "actions", Value: 1}, {Key: "comment", Value: 1}})
	docs, err := r.find(ctx, bson.D{}, wanted, mostBytes)
	if err == nil {
		var rules acl.Config
		if rules, err = readRules(docs); err == nil {
			return rules, nil
		}
	}
	return nil, fmt.Errorf("acl_mongo %s: %w", strings.Join(r.dial.Addrs, ", "), err)
}

func readRules(docs []bson.Raw) (acl.Config, error) {
	all := make([]acl.Numbered, len(docs))
	for i, doc := range docs {
		var err error
		if all[i], err = readRule(doc); err != nil {
			return nil, err
		}
	}
	return acl.InOrder(all)
}
