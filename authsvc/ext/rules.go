package ext

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/cache"
	"github.com/regate/regate/internal/oci"
)

// Rules is the acl.Decider behind ext_authz.
type Rules struct {
	backend *backend
	flights cache.Flights[string, answer] // by question
	lenient bool                          // no answer is nothing to say
	log     *zap.Logger
}

// NewRules returns the decider that cfg, which is valid, describes. Its error
// says by a problem.List that the program is not there, or a file of the hook
// cannot be used.
func NewRules(cfg RulesConfig, log *zap.Logger) (*Rules, error) {
	log = named(log, "ext_authz")
	b, err := newBackend(cfg.Backend, log)
	if err != nil {
		return nil, err
	}
	return &Rules{backend: b, lenient: cfg.OnError == OnErrorNext, log: log}, nil
}

// Close ends idle connections. Who is being asked may answer.
func (r *Rules) Close() error {
	r.backend.close()
	return nil
}

// A wish is the question, as docker_auth puts it to a program (its
// api.AuthRequestInfo).
type wish struct {
	Account string
	Type    string
	Name    string
	Service string
	IP      netip.Addr // of the client; "" if it is not known
	Actions []string
	Labels  map[string][]string
}

// posted is the question as a hook gets it.
type posted struct {
	Account string              `json:"account"`
	Type    string              `json:"type"`
	Name    string              `json:"name"`
	Service string              `json:"service"`
	IP      netip.Addr          `json:"ip"`
	Actions []string            `json:"actions"`
	Labels  map[string][]string `json:"labels"`
}

// Decide is acl.Decider's. Equal questions at the same time share an answer: a
// hundred jobs of one account begin at once, and would have one program a
// hundred times. It is not kept for longer, since a token is good for a while
// anyway, and nobody could tell when it is over.
func (r *Rules) Decide(ctx context.Context, a acl.Ask) (granted oci.Actions, decided bool, err error) {
	granted, decided, err = r.decide(ctx, a)
	if err == nil || !r.lenient || errors.Is(err, authn.ErrBusy) || ctx.Err() != nil {
		return granted, decided, err
	}
	r.log.Warn("no answer, and nothing granted", zap.String("subject", a.Identity.Account), zap.Stringer("wanted", a.Want), zap.Error(err))
	return 0, false, nil
}

func (r *Rules) decide(ctx context.Context, a acl.Ask) (granted oci.Actions, decided bool, err error) {
	q, err := ask(a)
	if err != nil {
		return 0, false, err
	}
	said, err := r.flights.Do(ctx, string(q.stdin), func(ctx context.Context) (answer, error) { return r.backend.ask(ctx, q) })
	switch {
	case err != nil:
		return 0, false, err
	case said.verdict == unknown:
		return 0, false, nil
	case said.verdict == deny:
		return 0, true, nil
	}
	granted, err = readActions(said.details, a.Want.Actions)
	if err != nil {
		return 0, false, r.backend.nonsense(err)
	}
	return granted, true, nil
}

func ask(a acl.Ask) (question, error) {
	w := wish{
		Account: a.Identity.Account, Type: a.Want.Type, Name: a.Want.Name, Service: a.Service, IP: a.From.Unmap().WithZone(""),
		Actions: a.Want.Actions.Names(), Labels: make(map[string][]string, len(a.Identity.Labels)),
	}
	for name, values := range a.Identity.Labels {
		for _, v := range values {
			w.Labels[name] = append(w.Labels[name], v.Value)
		}
	}
	stdin, err := json.Marshal(w)
	return question{stdin: stdin, post: posted(w), about: w.Account}, err
}

// readActions reads {"actions": ["pull"]}; without it, all that was asked for is
// granted. What was not asked for never is, but an action that does not exist is
// a mistake, and null is not all.
func readActions(details []byte, wanted oci.Actions) (oci.Actions, error) {
	if details == nil {
		return wanted, nil
	}
	var said []string
	if err := decode(details, map[string]any{"actions": &said}); err != nil {
		return 0, err
	}
	if said == nil {
		return 0, malformed("has no actions, or null")
	}
	return parseActions(said, wanted)
}

// parseActions understands a "*" as a rule does: alone it is whatever was asked
// for.
func parseActions(names []string, wanted oci.Actions) (granted oci.Actions, err error) {
	if len(names) == 1 && names[0] == "*" {
		return wanted, nil
	}
	for _, name := range names {
		one, ok := oci.ParseAction(name)
		if !ok || one == oci.Any {
			return 0, errors.New(`the answer has other actions than pull, push, delete and ["*"]`)
		}
		granted |= one
	}
	return granted & wanted, nil
}
