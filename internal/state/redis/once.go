package redis

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"
)

// sendOnce has a Cluster's client send nothing again that a node may have done.
// Only for the client of one server is that a setting (MaxRetries).
func sendOnce(db redis.UniversalClient) {
	if cluster, ok := db.(*redis.ClusterClient); ok {
		cluster.OnNewNode(func(node *redis.Client) { node.AddHook(once{}) })
	}
}

// once is a hook of one node.
type once struct{}

func (once) DialHook(next redis.DialHook) redis.DialHook { return next }

// Our pipelines are of reads. The client has one of its own, for a command that
// goes to where a slot moves to.
func (once) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if cmds[0].Name() != "asking" {
			return err
		}
		return doubted(ctx, err)
	}
}

func (once) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return doubted(ctx, next(ctx, cmd)) }
}

// doubted is err, as one that is unsure if what was sent may have been done.
func doubted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || isUndone(err) {
		return err
	}
	return unsure{err}
}

// isUndone reports whether the command was not sent, or was answered: that
// it has moved to another node, say.
func isUndone(err error) bool {
	var answer redis.Error
	var dial *net.OpError
	return errors.As(err, &answer) || errors.As(err, &dial) && dial.Op == "dial" ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed)
}

// An unsure error does not show the client what it would send again for, but is
// still one of a connection that was hung up.
type unsure struct{ err error }

func (u unsure) Error() string { return u.err.Error() }

func (u unsure) As(target any) bool {
	hung, ok := target.(**hungUp)
	return ok && errors.As(u.err, hung)
}
