package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/regate/regate/internal/problem"
)

const (
	dialTime  = 2 * time.Second
	replyTime = time.Second
	idleTime  = 5 * time.Minute // less than what firewalls forget
	mostConns = 64
)

// newClient returns a client of one server, of what Sentinels name, or of a
// Cluster. It connects later, and again and again.
func newClient(cfg Config) (redis.UniversalClient, error) {
	trust, err := cfg.TLS.load()
	if err != nil {
		return nil, err
	}
	sentinelPassword, err := readPassword(cfg.SentinelPasswordFile)
	if err != nil {
		return nil, problem.At("sentinel_password_file", err)
	}
	if _, err := readPassword(cfg.PasswordFile); err != nil {
		return nil, problem.At("password_file", err)
	}
	db := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:            cfg.Addrs,
		MasterName:       cfg.MasterName,
		IsClusterMode:    cfg.isCluster(),
		DB:               cfg.DB,
		SentinelUsername: cfg.SentinelUsername,
		SentinelPassword: sentinelPassword,
		Dialer:           remembering(securing(redis.NewDialer(&redis.Options{DialTimeout: dialTime}), trust)),
		// A password that is changed works for the next connection.
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			password, err := readPassword(cfg.PasswordFile)
			return cfg.Username, password, err
		},

		DialTimeout:           dialTime,
		ReadTimeout:           replyTime,
		WriteTimeout:          replyTime,
		ContextTimeoutEnabled: true,
		PoolSize:              min(10*runtime.GOMAXPROCS(0), mostConns),
		PipelinePoolSize:      -1, // the same connections
		ConnMaxIdleTime:       idleTime,
		// Nothing is sent twice: a write whose reply was lost would conflict
		// with itself. Whoever wants to asks again.
		MaxRetries:    -1,
		DialerRetries: 1,

		// No command that a user with few rights could not give.
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	sendOnce(db)
	return db, nil
}

// noHandshake begins what is said of a server that answers no handshake: one
// without TLS takes it for the begin of a command, and waits for the rest.
const noHandshake = "no TLS handshake"

// securing speaks TLS on what dial returns, if there is a trust. That a server has
// none is no guess about one that has had it.
func securing(dial dialer, trust *tls.Config) dialer {
	if trust == nil {
		return dial
	}
	var hadTLS sync.Map // addresses
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		plain, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		c := tls.Client(plain, named(trust, addr))
		if err := c.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			if _, had := hadTLS.Load(addr); errors.Is(err, context.DeadlineExceeded) && !had {
				err = fmt.Errorf("%s in %v: %w", noHandshake, dialTime, err)
			}
			return nil, err
		}
		hadTLS.Store(addr, true)
		return c, nil
	}
}

// named is trust with the name that a server at addr has to have.
func named(trust *tls.Config, addr string) *tls.Config {
	if trust.ServerName != "" {
		return trust
	}
	trust = trust.Clone()
	trust.ServerName, _, _ = net.SplitHostPort(addr)
	return trust
}

// readPassword returns what a file holds, without the white space that editors
// leave at its end; no file is no password.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fmt.Errorf("%s is empty", file)
	}
	return string(text), nil
}

// load reads the files of t; nil is no TLS.
func (t *TLS) load() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	cfg := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, problem.At("tls.ca", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, problem.At("tls.ca", fmt.Errorf("%s holds no certificate", t.CA))
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, problem.At("tls.cert", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
