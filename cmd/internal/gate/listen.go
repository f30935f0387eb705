package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/h2guard"
	"github.com/regate/regate/internal/proxyproto"
)

// Limits of the servers that nobody needs to change. There is no time-out on a
// whole request: layers take as long as they take, and bodies have progress
// deadlines of their own.
const (
	idleTime = 180 * time.Second // longer than any client keeps a connection idle (protocol.md 4.5)
	h2Window = 4<<20 - 1         // the largest that net/http takes; its default slows uploads
)

// A door is a listener and what serves it.
type door struct {
	name     string
	addr     string // as it really is, the port that the system chose included
	listener net.Listener
	limiter  *connlimit.Limiter // nil for the control socket
	server   *http.Server
	serve    func() error // until the server is shut down; nil then
}

// listen opens all listeners before any of them serves.
func (p *process) listen(cfg configs.Listen) (doors []door, err error) {
	defer func() {
		if err != nil {
			closeAll(doors)
		}
	}()
	if err := p.checkSockets(cfg); err != nil {
		return nil, err
	}
	limits := p.fitLimits(cfg.Limits)
	p.forwarded = p.requests("gate", limits.Requests)
	for _, d := range []struct {
		name, addr string
		handler    func() http.Handler
	}{{"https", cfg.HTTPS, p.site}, {"http", cfg.HTTP, p.plainSite}, {"admin", cfg.Admin, p.admin}} {
		if d.addr == "" {
			continue
		}
		opened, err := p.openDoor(d.name, d.addr, p.server(d.name, d.handler(), limits), p.limiter(d.name, limits))
		if err != nil {
			return doors, fmt.Errorf("listen.%s: %w%s", d.name, err, hint(err))
		}
		doors = append(doors, opened)
	}
	p.meter.ShowConnections(func() map[string]int { return connections(doors) })
	l, err := listenControl(p.first.ControlSocket())
	if err != nil {
		return doors, fmt.Errorf("listen.control: %w", err)
	}
	commands := edge.Stack(edge.Handler(p.serveControl), edge.Log(p.log.Named("control"), nil), edge.Recover)
	control := newDoor("control", l, l, p.server("control", commands, limits))
	control.addr = p.first.ControlSocket()
	control.server.ConnContext = withPeer
	return append(doors, control), nil
}

// openDoor listens under the limits.
func (p *process) openDoor(name, addr string, s *http.Server, limiter *connlimit.Limiter) (door, error) {
	l, err := p.openSocket(name, addr)
	if err != nil {
		return door{}, err
	}
	bounded := limiter.Listener(p.fromBalancers(name, l, limiter))
	if name == "https" {
		p.httpsPort = l.Addr().(*net.TCPAddr).Port
		bounded = p.secure(bounded, s, limiter)
	}
	d := newDoor(name, l, bounded, s)
	d.limiter = limiter
	return d, nil
}

// fromBalancers lets nobody else in where what a peer says is believed: where
// it ends TLS, and where it sends the PROXY protocol, which is read before
// clients are counted. No balancer stands before admin.
func (p *process) fromBalancers(name string, l net.Listener, limiter *connlimit.Limiter) net.Listener {
	cfg := p.first.Listen
	headers := cfg.ProxyProtocol && name != "admin"
	if headers || name == "https" && p.certs.TLSConfig() == nil {
		l = limiter.Only(l, cfg.Proxies())
	}
	if headers {
		l = proxyproto.Listen(l, proxyproto.Deps{Enter: limiter.Hold, Refused: limiter.Refuse})
	}
	return l
}

func hint(err error) string {
	if errors.Is(err, syscall.EACCES) {
		return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
	}
	return ""
}

// newDoor serves what bounded, which is l or around it, accepts.
func newDoor(name string, l, bounded net.Listener, s *http.Server) door {
	serve := func() error {
		err := s.Serve(bounded)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("%s listener: %w", name, err)
	}
	return door{name: name, addr: l.Addr().String(), listener: l, server: s, serve: serve}
}

func (p *process) server(name string, h http.Handler, limits configs.Limits) *http.Server {
	return &http.Server{
		Handler: h,
		// Or `OPTIONS *` is answered before anybody has looked at it.
		DisableGeneralOptionsHandler: true,

		ReadHeaderTimeout: limits.HeaderTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    limits.HeaderBytes,
		ErrorLog:          log.New(serverLog{p.log.Named(name)}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          limits.Streams,
			MaxReceiveBufferPerConnection: h2Window,
			MaxReceiveBufferPerStream:     h2Window,
			SendPingTimeout:               30 * time.Second,
			WriteByteTimeout:              60 * time.Second,
		},
	}
}

// secure puts TLS around the listener, unless a balancer ends it.
func (p *process) secure(l net.Listener, s *http.Server, limiter *connlimit.Limiter) net.Listener {
	cfg := p.certs.TLSConfig()
	if cfg == nil {
		return l
	}
	cfg = limiter.TLSConfig(cfg)
	s.TLSConfig, s.ConnContext = cfg, edge.GatherContext
	h2guard.Configure(s, func(c net.Conn) { limiter.Refuse(connlimit.Flood, c) })
	return tls.NewListener(edge.GatherListener(l), cfg)
}

func closeAll(doors []door) {
	for _, d := range doors {
		_ = d.server.Close()
		_ = d.listener.Close() // which the server does not know before it serves
	}
}

// lastArrivals is how long before the end of the grace no more connections are
// taken. To Shutdown, one that was taken just now is idle until its request is
// there, and is cut off; on a socket that somebody else holds, it waits for the
// next gate instead.
const lastArrivals = 500 * time.Millisecond

// drain ends the servers in order: balancers are told to turn away, what comes
// meanwhile is still served, then running transfers may finish, and what is
// left is cut. A second signal ends the program at once.
func (p *process) drain(doors []door) {
	cfg := p.first.Listen
	p.draining.Start()
	p.log.Info("draining", zap.Duration("grace", cfg.Grace), zap.Duration("drain", cfg.Drain))
	arrivals := min(cfg.Grace, lastArrivals)
	time.Sleep(cfg.Grace - arrivals)
	for _, d := range doors {
		if d.name == "https" || d.name == "http" {
			_ = d.listener.Close()
		}
	}
	time.Sleep(arrivals)
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Drain)
	defer cancel()
	for _, d := range doors {
		if err := d.server.Shutdown(ctx); err != nil {
			p.log.Warn("transfers cut off", zap.String("listener", d.name), zap.Error(err))
			_ = d.server.Close()
		}
	}
	p.log.Info("stopped")
}
