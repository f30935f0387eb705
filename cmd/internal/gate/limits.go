package gate

import (
	"go.uber.org/zap"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/connlimit"
	"github.com/regate/regate/internal/proxyproto"
)

const (
	adminConnections = 256 // probes and scrapes, and no others
	spareDescriptors = 128 // for the log, the state, the control socket, and what reads files
)

// fit lowers the limits to what the file descriptors of the process allow, so
// that admin and control, the state and registries do not lack one. A request
// that is forwarded needs one. Connections have what half as many requests
// leave, and requests what connections leave.
func fit(l configs.Limits, descriptors int) configs.Limits {
	own := descriptors - spareDescriptors - adminConnections
	if most := max(1, own*8/13); most < l.Connections && need(l) > own { // 1 + 1/2 + 1/8 of http for each
		l.PerNetwork = max(1, int(int64(l.PerNetwork)*int64(most)/int64(l.Connections)))
		l.Connections = most
	}
	if need(l) > own {
		l.Requests = max(1, l.Requests-(need(l)-own))
	}
	return l
}

// need is how many descriptors the limits allow to be taken.
func need(l configs.Limits) int { return l.Connections + l.Connections/8 + l.Requests }

// fitLimits is fit for this process.
func (p *process) fitLimits(wanted configs.Limits) configs.Limits {
	descriptors, ok := connlimit.Descriptors()
	if !ok {
		return wanted
	}
	fitting := fit(wanted, descriptors)
	if fitting != wanted {
		p.log.Warn("fewer connections or requests than listen.limits allows: raise the limit of open files (ulimit -n, LimitNOFILE)",
			zap.Int("descriptors", descriptors), zap.Int("connections", fitting.Connections),
			zap.Int("per_network", fitting.PerNetwork), zap.Int("requests", fitting.Requests))
	}
	return fitting
}

// requests makes what bounds the requests of the gate, or of a registry. The
// line in the log is that of each request.
func (p *process) requests(whose string, most int) *connlimit.Limiter {
	limits := connlimit.Limits{Connections: most, PerNetwork: (most + 1) / 2, Exempt: p.first.Listen.Proxies()}
	if l := p.first.Listen.Limits; l.PerNetwork >= l.Connections { // all are one network
		limits.PerNetwork = most
	}
	return connlimit.New(limits, connlimit.Deps{Refused: func(reason string) { p.meter.RefusedRequest(whose, reason) }})
}

// limiter makes what bounds one listener. That of http may not be filled by
// strangers either: an ACME server asks there.
func (p *process) limiter(name string, l configs.Limits) *connlimit.Limiter {
	limits := connlimit.Limits{Connections: l.Connections, PerNetwork: l.PerNetwork, Exempt: p.first.Listen.Proxies()}
	switch name {
	case "https":
		limits.Handshakes = l.Handshakes
		if p.certs.TLSConfig() == nil {
			limits.Handshakes = 0
		}
	case "http":
		limits.Connections, limits.PerNetwork = max(1, l.Connections/8), max(1, l.PerNetwork/8)
	case "admin":
		limits = connlimit.Limits{Connections: adminConnections}
	}
	return connlimit.New(limits, connlimit.Deps{
		Refused: func(reason string) { p.meter.Refused(name, reason) },
		Log:     p.log.Named(name),
		Advice:  adviceOnRefusals(),
	})
}

// adviceOnRefusals is for those who have just put a balancer in front.
func adviceOnRefusals() map[string]string {
	return map[string]string{
		connlimit.Untrusted: "if client is your balancer, name it in listen.trusted_proxies; nobody else may connect",
		proxyproto.NoHeader: "listen.proxy_protocol is true: have the balancer send its header (send-proxy-v2 of HAProxy, proxy_protocol on of nginx), to its health checks too",
	}
}

// connections are those of each listener, for the metrics.
func connections(doors []door) map[string]int {
	open := make(map[string]int, len(doors))
	for _, d := range doors {
		if d.limiter != nil {
			open[d.name] = d.limiter.Open()
		}
	}
	return open
}

// closeLimiters has them tell whom they have refused, while there is a log.
func closeLimiters(doors []door) {
	for _, d := range doors {
		if d.limiter != nil {
			d.limiter.Close()
		}
	}
}
