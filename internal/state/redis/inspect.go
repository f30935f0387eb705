package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/regate/regate/internal/state"
)

// ErrUnfit says that the server answers, and must not be used: it would lose
// what it is given, or has what this version does not know.
var ErrUnfit = errors.New("this server cannot keep the state")

// schema is the number of what is kept and how, so that what a newer version
// has written is refused before anything is misread.
const schema = 1

// errLoading is of a server that will be fit, or not, when it has read its disk.
var errLoading = errors.New("the server has been started, and still loads what it has kept")

const oldestMajor, oldestMinor = 6, 2

// inspect says whether the server can be asked, and is fit. It is called at the
// start, now and then, and after each outage: what comes back under an address
// need not be what was there.
func (s *Store) inspect(ctx context.Context) error {
	s.looking.Lock()
	defer s.looking.Unlock()
	err := s.eachMaster(ctx, s.inspectServer)
	if err == nil {
		err = s.checkSchema(ctx)
	}
	if err = discreetly(err); err == nil {
		return nil
	}
	err = fmt.Errorf("%w%s", err, s.cfg.advice(err))
	if isRefusal(err) {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return err
}

// advice is which key of ours may be wrong that a server cannot be used.
func (c Config) advice(err error) string {
	said := strings.ReplaceAll(err.Error(), "`", "'")
	for _, a := range []struct{ said, do string }{
		{"WRONGPASS", ": look at username, and at what password_file holds"},
		{"NOAUTH", ": name a password_file"},
		{"unknown command 'sentinel'", ": it is no Sentinel, which is what master_name makes of addrs; leave that out"},
		{"cluster support disabled", ": it is no Cluster; name one address, and leave cluster out"},
		{"signed by unknown authority", ": name a file with its CA in tls.ca"},
		{"x509: cannot validate certificate for", ": say in tls.server_name what its certificate is for"},
		{"x509: certificate is valid for", ": say in tls.server_name what its certificate is for"},
		{"tls: certificate required", showOne},
		{"tls: first record does not look like", ": it has no TLS; leave tls out"},
		{noHandshake, ": if it has no TLS, leave tls out"},
	} {
		if strings.Contains(said, a.said) {
			return a.do
		}
	}
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case hungUp && c.TLS == nil:
		return ": if it wants TLS, set tls"
	case hungUp && c.TLS.Cert == "":
		return showOne
	}
	return ""
}

const showOne = ": if it wants to see a certificate, name one in tls.cert and tls.key"

// eachMaster calls f with each server that keeps values, one at a time.
func (s *Store) eachMaster(ctx context.Context, f func(context.Context, redis.Cmdable) error) error {
	cluster, ok := s.db.(*redis.ClusterClient)
	if !ok {
		return f(ctx, s.db)
	}
	var one sync.Mutex
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		one.Lock()
		defer one.Unlock()
		return f(ctx, node)
	})
}

func (s *Store) inspectServer(ctx context.Context, db redis.Cmdable) error {
	text, err := db.Info(ctx).Result()
	if isForbidden(err, "info") {
		s.warn("state cannot be asked what it is: that it keeps what it is given is not known. INFO is forbidden")
		return db.Ping(ctx).Err()
	}
	if err != nil {
		return err
	}
	info := parseInfo(text)
	if info["loading"] == "1" { // then it says of much else what it is not
		return errLoading
	}
	if err := s.checkKind(info); err != nil {
		return err
	}
	if err := s.checkEviction(info["maxmemory_policy"]); err != nil {
		return err
	}
	return s.checkDisk(ctx, db, info)
}

// parseInfo reads the lines key:value of INFO.
func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = val
		}
	}
	return info
}

func (s *Store) checkKind(info map[string]string) error {
	version := info["redis_version"]
	switch {
	case !isRecent(version):
		return fmt.Errorf("%w: it is Redis %s, and %d.%d is the oldest that will do", ErrUnfit, version, oldestMajor, oldestMinor)
	case info["cluster_enabled"] == "1" && !s.cfg.isCluster():
		return fmt.Errorf("%w: it is a node of a Cluster; say cluster: true", ErrUnfit)
	case info["role"] == "slave" && s.cfg.MasterName != "":
		return errors.New("the Sentinels name a server that is a replica: a fail-over goes on")
	case info["role"] == "slave":
		return fmt.Errorf("%w: it is a replica; name its master, or the Sentinels and master_name", ErrUnfit)
	}
	return nil
}

// isRecent takes what it cannot read for good: others than Redis count anew.
func isRecent(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, errMajor := strconv.Atoi(parts[0])
	minor, errMinor := strconv.Atoi(parts[1])
	if errMajor != nil || errMinor != nil {
		return true
	}
	return major > oldestMajor || major == oldestMajor && minor >= oldestMinor
}

func (s *Store) checkEviction(policy string) error {
	switch {
	case strings.HasPrefix(policy, "allkeys-") && !s.cfg.AllowVolatile:
		return fmt.Errorf("%w: when it is full it throws away certificates and keys (maxmemory-policy %s): "+
			"set maxmemory-policy noeviction, use another server than that of a cache, or say allow_volatile: true", ErrUnfit, policy)
	case strings.HasPrefix(policy, "volatile-"):
		s.warn("state throws away tokens and revocations before their time when it is full: maxmemory-policy noeviction would refuse new ones", zap.String("maxmemory_policy", policy))
	}
	return nil
}

// checkDisk looks for an append-only file, or else for snapshots, of which
// only the configuration tells.
func (s *Store) checkDisk(ctx context.Context, db redis.Cmdable, info map[string]string) error {
	if info["aof_enabled"] != "0" || s.cfg.AllowVolatile {
		return nil
	}
	conf, err := db.ConfigGet(ctx, "save").Result()
	var answer redis.Error
	if errors.As(err, &answer) { // forbidden, or unknown: those who run it for others do that
		s.warn("state cannot be asked whether it keeps snapshots, and has no append-only file: it may forget everything when it restarts", zap.Error(err))
		return nil
	}
	if err == nil && conf["save"] == "" {
		return fmt.Errorf("%w: it keeps nothing on a disk (appendonly no, save \"\"): set appendonly yes, or say allow_volatile: true", ErrUnfit)
	}
	return err
}

// checkSchema writes the number of our schema, or refuses a newer one. A server
// that has the number need not be able to write: one that is full can be read.
func (s *Store) checkSchema(ctx context.Context) error {
	name := s.names.schema()
	text, err := s.db.Get(ctx, name).Result()
	if errors.Is(err, redis.Nil) {
		if err := s.db.SetNX(ctx, name, schema, 0).Err(); err != nil {
			return err
		}
		text, err = s.db.Get(ctx, name).Result()
	}
	if err != nil {
		return err
	}
	found, err := strconv.Atoi(text)
	if err != nil || found < 1 {
		return fmt.Errorf("%w: %s holds no schema number, so it is none of ours", ErrUnfit, name)
	}
	if found > schema {
		return fmt.Errorf("%w: it was written by a newer regate (schema %d, this one knows %d): install that version, or restore an older copy", ErrUnfit, found, schema)
	}
	return nil
}

// isForbidden reports whether an ACL is in the way of a command, or that it has
// another name there.
func isForbidden(err error, command string) bool {
	var answer redis.Error
	return errors.As(err, &answer) &&
		(begins(answer, "NOPERM ") || begins(answer, "ERR unknown command") && strings.Contains(strings.ToLower(answer.Error()), command))
}

// isOurs reports whether err is about a value, and not the server's.
func isOurs(err error) bool {
	return errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrHeld) || errors.Is(err, errForeign)
}

// warn says something about the server once.
func (s *Store) warn(msg string, fields ...zap.Field) {
	if !s.warned[msg] {
		s.warned[msg] = true
		s.log.Warn(msg, fields...)
	}
}
