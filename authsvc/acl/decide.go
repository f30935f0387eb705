package acl

import (
	"context"

	"github.com/regate/regate/internal/oci"
)

// A Decider says what somebody may do. A List does, from the rules that it
// has; others ask outside.
//
// Decide returns which of a.Want's actions are granted. decided is false if it
// has nothing to say, so that another may be asked; nothing is granted then. An
// error means that it could not tell, and is never a grant, nor a reason to ask
// another: what that one grants might be what this one was to refuse. Calls may
// overlap.
type Decider interface {
	Decide(ctx context.Context, a Ask) (granted oci.Actions, decided bool, err error)
}

// Decide is Decider's, and never fails. A rule that is undecided decides that
// nothing is granted.
func (l *List) Decide(_ context.Context, a Ask) (granted oci.Actions, decided bool, err error) {
	q := a.query()
	i, v := l.decide(&q)
	return l.granted(a.Want, i, v).Actions, v != no, nil
}

// A Chain asks one Decider after the other. The first that decides settles the
// matter.
type Chain []Decider

// Decide is Decider's. Whatever a Decider says, nothing is granted that was not
// asked for.
func (c Chain) Decide(ctx context.Context, a Ask) (granted oci.Actions, decided bool, err error) {
	for _, d := range c {
		granted, decided, err := d.Decide(ctx, a)
		switch {
		case err != nil:
			return 0, false, err
		case decided:
			return granted & a.Want.Actions, true, nil
		}
	}
	return 0, false, nil
}
