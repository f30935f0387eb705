package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/configs"
)

// A switchboard has the generation that serves. Requests that began with the
// one before it run out with it.
type switchboard struct {
	changing sync.Mutex // held by whoever builds the next generation
	live     atomic.Pointer[generation]
}

func (b *switchboard) close() {
	if g := b.live.Swap(nil); g != nil {
		g.close()
	}
}

// reload reads the configuration again, builds the next generation in full,
// and swaps one pointer. Whatever is wrong changes nothing.
func (p *process) reload(ctx context.Context) error {
	p.board.changing.Lock()
	defer p.board.changing.Unlock()
	err := p.reloadLocked(ctx)
	p.meter.Reload(time.Now(), err)
	if err != nil {
		why := []zap.Field{zap.Error(err)}
		if bug, ok := errors.AsType[panicked](err); ok {
			why = append(why, zap.ByteString("stack", bug.stack))
		}
		p.log.Error("reload refused, the configuration before it stays in use", why...)
		return err
	}
	p.log.Info("reloaded", zap.String("config", p.opts.Path))
	return nil
}

// reloadAsked is a reload that somebody has asked for, who may have mended what
// kept a host from a certificate. A file that changes by itself says nothing of
// that, and CAs count how often they are asked.
func (p *process) reloadAsked(ctx context.Context) error {
	if err := p.reload(ctx); err != nil {
		return err
	}
	p.certs.Retry()
	return nil
}

// reloadLocked reloads, or fails and has changed nothing. A mistake of ours that
// only some configuration brings to light is no reason for those to suffer who
// are served by the one before.
func (p *process) reloadLocked(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked{v, debug.Stack()}
		}
	}()
	file, err := configs.Load(p.opts.Path)
	if err != nil {
		return err
	}
	if fixed := needsRestart(p.first, file); len(fixed) > 0 {
		return fmt.Errorf("needs a restart: %s changed", strings.Join(fixed, ", "))
	}
	return p.swap(ctx, file)
}

// panicked is the error of a reload that panicked.
type panicked struct {
	value any
	stack []byte
}

func (p panicked) Error() string {
	return fmt.Sprintf("panic: %v (a bug; please report it, with the stack in the log)", p.value)
}

// swap builds a generation from file and lets it serve.
func (p *process) swap(ctx context.Context, file *configs.File) error {
	next, err := p.build(ctx, file)
	if err != nil {
		return err
	}
	serves := false
	defer func() {
		if !serves { // reload contains the panic, and nobody else knows of what runs already
			next.close()
		}
	}()
	setLevel(p.level, file.Log.Level)
	for _, w := range slices.Concat(file.Warnings, Remarks(file)) {
		p.log.Warn("configuration", zap.String("at", w.String()))
	}
	before := p.certs.CAFingerprint()
	next.commit()
	if p.certs.CAFingerprint() != before {
		p.sayCA()
	}
	p.watch.Follow(file.Seen())
	last := p.board.live.Swap(next)
	serves = true
	if last != nil {
		last.close()
	}
	return nil
}

// needsRestart lists the keys that changed and live as long as the process.
func needsRestart(was, is *configs.File) []string {
	keys := slices.Concat(changedKeys("listen", was.Listen, is.Listen), changedKeys("state", was.State, is.State))
	for _, s := range []struct {
		name string
		same bool
	}{
		{"tls.mode", was.TLS.Source() == is.TLS.Source()},
		{"tls.min_version", was.TLS.MinVersion == is.TLS.MinVersion},
		{"log.format", was.Log.Format == is.Log.Format},
		{"auth.token.root", was.Auth.Token.Root == is.Auth.Token.Root && was.Auth.Token.RootFile == is.Auth.Token.RootFile && sameRoot(was, is)},
	} {
		if !s.same {
			keys = append(keys, s.name)
		}
	}
	return keys
}

// sameRoot compares what the files of a token root hold.
func sameRoot(was, is *configs.File) bool {
	before, now, root := was.Seen(), is.Seen(), is.Auth.Token.Root
	return before[root.Cert] == now[root.Cert] && before[root.Key] == now[root.Key]
}

// followSignals reloads for each SIGHUP.
func (p *process) followSignals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.opts.Reload:
			_ = p.reloadAsked(ctx) // it has logged what was wrong
		}
	}
}
