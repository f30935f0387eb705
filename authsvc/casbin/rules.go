package casbin

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/casbin/casbin/v2"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/internal/problem"
)

// patience is how long a question waits for its turn. Clients give up after
// 15 s.
const patience = 5 * time.Second

// Rules is the acl.Decider behind casbin_authz.
type Rules struct {
	enforcer *casbin.Enforcer // which does not change
	turns    chan struct{}    // half of the cores, since an answer is work and nothing else
}

// New returns the decider that cfg, which is valid, describes. What is wrong
// with a file is a problem.List.
func New(cfg Config) (*Rules, error) {
	var wrong problem.List
	m, err := readModel(cfg.ModelPath)
	wrong.Under("model_path", err)
	text, err := contents(cfg.PolicyPath, mostPolicy)
	wrong.Under("policy_path", err)
	if len(wrong) > 0 {
		return nil, wrong
	}
	e, err := casbin.NewEnforcer(m, policy{cfg.PolicyPath, text}, false) // no log
	if err != nil {
		wrong.Under("policy_path", brief(err))
		return nil, wrong
	}
	e.AddFunction("labelMatch", labelMatch)
	forgetful(e)
	r := &Rules{enforcer: e, turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	if err := r.try(); err != nil {
		wrong.Under("model_path", fmt.Errorf("%s with %s: %w", cfg.ModelPath, cfg.PolicyPath, err))
		return nil, wrong
	}
	return r, nil
}

// try asks once, to find a matcher that cannot be computed before somebody asks
// in earnest.
func (r *Rules) try() error {
	_, err := r.enforce("nobody", oci.Repository, "none", "none", "192.0.2.1", "pull", "{}")
	return err
}

// Decide is Decider's. Each action is asked for by itself, and Casbin always
// decides: nobody after it is asked. What it cannot compute is no refusal.
func (r *Rules) Decide(ctx context.Context, a acl.Ask) (granted oci.Actions, decided bool, err error) {
	labels, err := labelsOf(a.Identity.Labels)
	if err != nil {
		return 0, false, err
	}
	if err := r.enter(ctx); err != nil {
		return 0, false, err
	}
	defer func() { <-r.turns }()
	ip := ""
	if a.From.IsValid() {
		ip = a.From.Unmap().WithZone("").String()
	}
	for _, name := range a.Want.Actions.Names() {
		ok, err := r.enforce(a.Identity.Account, a.Want.Type, a.Want.Name, a.Service, ip, name, labels)
		switch {
		case err != nil:
			return 0, false, fmt.Errorf("casbin_authz: %w", err)
		case ctx.Err() != nil:
			return 0, false, ctx.Err()
		}
		if action, known := oci.ParseAction(name); ok && known {
			granted |= action
		}
	}
	return granted, true, nil
}

func (r *Rules) enforce(request ...any) (bool, error) {
	ok, err := r.enforcer.Enforce(request...)
	if err != nil {
		return false, brief(err)
	}
	return ok, nil
}

// brief leaves out the stack that Casbin adds to a panic.
func brief(err error) error {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s", first)
}

func (r *Rules) enter(ctx context.Context) error {
	select {
	case r.turns <- struct{}{}:
		return nil
	default:
	}
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case r.turns <- struct{}{}:
		return nil
	case <-over.C:
		return authn.ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}
