package ext

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
)

// A question is what is asked, in the form that a program reads and in the one
// that is posted to a hook.
type question struct {
	stdin  []byte
	post   any
	about  string       // the account, for the log
	secret authn.Secret // is in stdin and post, and must not be in what a program says
}

// An answer is a verdict, and what was said with it.
type answer struct {
	verdict verdict
	details []byte // a JSON object; nil if nothing was said
}

type verdict int

const (
	deny verdict = iota
	allow
	unknown // somebody else may know
)

// An asker puts one question. Its error says that there was no answer, or one
// that makes no sense. Calls may overlap.
type asker interface {
	ask(context.Context, question) (answer, error)
	close()
}

// A backend is an asker that is not asked too much.
type backend struct {
	asker
	who     string // the program or the hook's URL, for the log
	turns   *turns
	timeout time.Duration
}

// newBackend looks for the program, or reads the files of the hook. Its error
// is a problem.List.
func newBackend(cfg Backend, log *zap.Logger) (*backend, error) {
	cfg = cfg.withDefaults()
	b := &backend{who: cfg.Asked(), turns: newTurns(cfg.Concurrency, cfg.Timeout), timeout: cfg.Timeout}
	var err error
	if cfg.URL != "" {
		b.asker, err = newHook(cfg)
	} else {
		b.asker, err = newProgram(cfg, log)
	}
	return b, err
}

var errSlow = errors.New("timeout")

// ask waits for a turn, and for the answer. If there is none, the error says
// why, or is authn.ErrBusy.
func (b *backend) ask(ctx context.Context, q question) (answer, error) {
	done, err := b.turns.take(ctx)
	if err != nil {
		return answer{}, err
	}
	defer done()
	limited, cancel := context.WithTimeoutCause(ctx, b.timeout, errSlow)
	defer cancel()
	a, err := b.asker.ask(limited, q)
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil: // whoever asked has left
		return answer{}, ctx.Err()
	case errors.Is(context.Cause(limited), errSlow):
		return answer{}, fmt.Errorf("no answer within %s: %w", b.timeout, err)
	}
	return answer{}, err
}

// nonsense says of whom an answer is that cannot be understood.
func (b *backend) nonsense(err error) error { return fmt.Errorf("%s: %w", b.who, err) }
