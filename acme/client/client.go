// Package client gets certificates from ACME servers (RFC 8555) for certmagic.
//
// In go where the server is, the account there, and how hosts are proved; out
// come Issuers, of which certmagic asks one after the other, and Challenges,
// which the gate's own listeners answer from. certmagic has an issuer for ACME
// too. It opens the ports 443 and 80 by itself when nobody listens there, keeps
// what it does in variables of the process, and asks the storage for each
// stranger who poses as a server that validates; so it is not used.
//
// The package listens nowhere, and neither stores nor renews certificates:
// certmagic does. Challenges live as long as the process, Issuers as long as
// what is configured of them.
package client

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
)

// A Config says which server is asked, as whom, and for what.
type Config struct {
	Directory string         // URL
	Roots     *x509.CertPool // of the server's https; nil for the system's
	Email     string         // of the account
	Key       crypto.Signer  // of the account; nil for one that is made and kept in the storage
	EAB       *EAB           // nil for none
	Profile   string         // "" leaves it to the server
	Public    bool           // everybody trusts the server, so its certificates live for long
}

// EAB ties a new account to one at the CA's website (RFC 8555 7.3.4).
type EAB struct {
	KeyID string
	MAC   []byte
}

// Parts are what an Issuer works with.
type Parts struct {
	Storage certmagic.Storage       // for the account
	Solvers map[string]acmez.Solver // by the type of the challenge
	Proof   time.Duration           // that a Solver may take until the server can look
	Log     *zap.Logger             // nil for silence
}

const (
	httpTime  = 30 * time.Second // for one request
	pollTime  = 2 * time.Minute  // for the server to look at a challenge, or to sign
	orderTime = 10 * time.Minute // for an order, with all that the server has to be waited for
	maxOrders = 10               // that run at once, of all hosts that wait
)

// An Issuer gets certificates from one server for one profile.
type Issuer struct {
	cfg     Config
	storage certmagic.Storage
	acme    *acmez.Client
	log     *zap.Logger
	time    time.Duration // for an order
	orders  chan struct{} // holds a value for each that runs
	turn    chan struct{} // holds a value while somebody looks for the account
	known   *acme.Account // that was found; needs turn
}

var (
	_ certmagic.Issuer            = (*Issuer)(nil)
	_ certmagic.RenewalInfoGetter = (*Issuer)(nil)
)

// New connects to nothing.
func New(cfg Config, p Parts) *Issuer {
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	return &Issuer{
		cfg:     cfg,
		storage: p.Storage,
		log:     p.Log,
		time:    orderTime + p.Proof,
		orders:  make(chan struct{}, maxOrders),
		turn:    make(chan struct{}, 1),
		acme: &acmez.Client{
			ChallengeSolvers: p.Solvers,
			Client: &acme.Client{
				Directory:   cfg.Directory,
				HTTPClient:  newHTTPClient(cfg.Roots),
				UserAgent:   "regate",
				PollTimeout: pollTime,
				Logger:      steps(p.Log),
			},
		},
	}
}

func newHTTPClient(roots *x509.CertPool) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.ResponseHeaderTimeout = httpTime
	return &http.Client{Transport: bounded{hinted{t}}, Timeout: httpTime}
}

// steps is a log of each step for those who look for a fault, and of nothing
// for others: failures are errors here, which somebody else logs.
func steps(log *zap.Logger) *slog.Logger {
	if !log.Core().Enabled(zapcore.DebugLevel) {
		return nil
	}
	return slog.New(zapslog.NewHandler(log.Core(), zapslog.WithName(log.Name()), zapslog.AddStacktraceAt(slog.Level(127))))
}

// IssuerKey implements certmagic.Issuer: certificates of another server or
// profile are another issuer's.
func (i *Issuer) IssuerKey() string {
	if i.cfg.Profile == "" {
		return i.server()
	}
	return i.server() + "-" + strings.ToLower(i.cfg.Profile)
}

// server is the directory as one component of a key of the storage.
func (i *Issuer) server() string {
	u, err := url.Parse(i.cfg.Directory)
	if err != nil {
		return certmagic.StorageKeys.Safe(i.cfg.Directory)
	}
	name := strings.Trim(u.Host+strings.ReplaceAll(u.Path, "/", "-"), "-")
	return certmagic.StorageKeys.Safe(name)
}

// GetRenewalInfo implements certmagic.RenewalInfoGetter: when the server would
// like to be asked for the next certificate (RFC 9773).
func (i *Issuer) GetRenewalInfo(ctx context.Context, cert certmagic.Certificate) (acme.RenewalInfo, error) {
	return i.acme.GetRenewalInfo(ctx, cert.Leaf)
}

// take waits until one of those who hold a value in c gives it back.
func take(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e EAB) acme() acme.EAB {
	return acme.EAB{KeyID: e.KeyID, MACKey: base64.RawURLEncoding.EncodeToString(e.MAC)}
}

// mailto is how a server wants an e-mail address (RFC 8555 7.1.2).
func mailto(email string) []string {
	if email == "" {
		return nil
	}
	return []string{fmt.Sprintf("mailto:%s", email)}
}
