package upstream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/proxy/upstream/remote"
)

// An Endpoint is one server of a registry. Its methods may be called by
// several goroutines at once.
type Endpoint struct {
	// ID is made of the address alone, so each gate knows the server by the
	// same one, after a restart too.
	ID string
	// Name is what logs call it: host:port, or the path of a socket.
	Name string
	// URL is the server's scheme and host; its path is the prefix of all
	// paths of the registry, without a slash at the end.
	URL *url.URL
	// Credential is what the registry wants to see.
	Credential Credential

	// Reads share connections. A write gets one of its own: one that the
	// registry is just closing would swallow a body that nobody can send
	// again, or a commit that must not be sent twice (protocol.md 4.6).
	reads, writes atomic.Pointer[http.Transport]
	dial          *dialer

	remote *remote.Remote // nil if the registry is ours
	asks   remote.Config  // what that was made of

	log    *zap.Logger
	seed   uint64 // the ID as a number
	alone  bool   // there is no other
	most   int64  // requests at once; 0 is any number
	health Health
	vitals *vitals
	proof  atomic.Uint32 // of a registry that is not checked: unproven, open, closed
}

// ErrConnect is the error of a request that was not sent, because there was no
// connection to send it on.
var ErrConnect = errors.New("no connection")

const (
	readBuffer  = 64 << 10 // of a connection that is used again
	headerBytes = 64 << 10 // most that a reply's header may have
	maxIdle     = 256
	idleTimeout = 30 * time.Second // less than any registry or balancer has
	continueFor = time.Second
)

func newEndpoint(u *url.URL, cfg Config) (*Endpoint, error) {
	d, err := newDialer(u, cfg)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		Name:   u.Host,
		URL:    &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")},
		dial:   d,
		log:    zap.NewNop(),
		alone:  len(cfg.Upstreams) == 1,
		most:   int64(cfg.MaxConnections),
		health: cfg.Health,
		vitals: newVitals(),
	}
	if e.alone {
		e.health = cfg.Health.alone()
	}
	if d.unix != "" {
		e.Name, e.URL = d.unix, &url.URL{Scheme: "http", Host: "localhost"}
	}
	e.ID, e.seed = identify(u)
	e.writes.Store(newTransport(d, cfg.CommitTimeout))
	e.writes.Load().DisableKeepAlives = true
	e.reads.Store(newTransport(d, cfg.HeaderTimeout))
	e.reads.Load().ReadBufferSize = readBuffer
	return e, nil
}

// identify makes an ID of an address, and the same as a number.
func identify(u *url.URL) (id string, seed uint64) {
	sum := sha256.Sum256([]byte(canonical(u)))
	return hex.EncodeToString(sum[:8]), binary.BigEndian.Uint64(sum[:8])
}

// canonical is an address as it is compared with others.
func canonical(u *url.URL) string {
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimSuffix(u.Path, "/")
}

// newTransport speaks HTTP/1.1, never asks for compression and never follows
// a proxy of the environment. The time-out counts from the end of the body.
func newTransport(d *dialer, timeout time.Duration) *http.Transport {
	t := &http.Transport{
		DialContext:            d.plain,
		DialTLSContext:         d.secure,
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  timeout,
		ExpectContinueTimeout:  continueFor,
		MaxResponseHeaderBytes: headerBytes,
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// Target is where path and rawQuery are on this server.
func (e *Endpoint) Target(path, rawQuery string) *url.URL {
	return &url.URL{Scheme: e.URL.Scheme, Host: e.URL.Host, Path: e.URL.Path + path, RawQuery: rawQuery}
}

// RoundTrip sends out and returns the reply, whose body the caller closes.
// Nothing but a read is ever sent twice, and that only if the connection had
// been closed before anything came back. The error of a request that was not
// sent at all is an ErrConnect.
func (e *Endpoint) RoundTrip(out *http.Request) (*http.Response, error) {
	via := e.writes.Load()
	if out.Method == http.MethodGet || out.Method == http.MethodHead {
		via = e.reads.Load()
	}
	res, err := via.RoundTrip(out)
	switch {
	case err == nil && (e.alone || !Sick(res.StatusCode)):
		e.tell(e.vitals.worked(), nil)
	case err == nil:
		e.Failed(fmt.Errorf("answered %s", res.Status))
	case out.Context().Err() != nil: // the client's doing, or that of the gate
	case out.Body == nil || errors.Is(err, ErrConnect): // else it may be the client's
		e.Failed(err)
	}
	return res, err
}

// Failed tells the endpoint that it has not answered, where RoundTrip could not
// know that it was not the client's fault.
func (e *Endpoint) Failed(why error) { e.tell(e.vitals.failed(e.health), why) }

// BrokeOff tells the endpoint that an answer has broken off, and Finished that
// one was complete.
func (e *Endpoint) BrokeOff(why error) { e.tell(e.vitals.brokeOff(e.health), why) }

// Finished is the other end of BrokeOff.
func (e *Endpoint) Finished() { e.vitals.finished() }

// Sick reports whether a status says that the server, or what it keeps its
// data in, is not well: another one may be. Distribution answers 503 to
// everything while its own checks fail (protocol.md 4.5).
func Sick(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// enter counts a request in, unless there are too many.
func (e *Endpoint) enter() bool {
	if n := e.vitals.busy.Add(1); e.most > 0 && n > e.most {
		e.vitals.busy.Add(-1)
		return false
	}
	return true
}

// room reports whether there are fewer requests than there may be.
func (e *Endpoint) room() bool { return e.most == 0 || e.vitals.busy.Load() < e.most }

// closed says why the server must not be used; nil if it may be.
func (e *Endpoint) closed(checked bool) error {
	if checked {
		return nil
	}
	switch e.proof.Load() {
	case open:
		return nil
	case closed:
		return errOpen
	}
	return errUnproven
}

func (e *Endpoint) close() {
	e.reads.Load().CloseIdleConnections()
	e.writes.Load().CloseIdleConnections()
}
