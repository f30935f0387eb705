package gate

import (
	"go.uber.org/zap"

	"github.com/regate/regate/acme"
)

// Facts are what whoever starts a gate wants to know.
type Facts struct {
	Addrs           map[string]string // listener → address: "https" → "127.0.0.1:8443"
	Hosts           []acme.Status
	CAFile          string // "" unless the gate has a CA of its own
	CAFingerprint   string
	RootFile        string
	RootFingerprint string
	State           string
}

func (p *process) facts(doors []door) Facts {
	f := Facts{
		Addrs:           make(map[string]string, len(doors)),
		Hosts:           p.certs.Certificates(),
		CAFingerprint:   p.certs.CAFingerprint(),
		RootFile:        rootFile(p.first),
		RootFingerprint: p.ring.Fingerprint(),
		State:           p.first.State.Dir(),
	}
	if f.CAFingerprint != "" {
		f.CAFile = caFile(p.first)
	}
	for _, d := range doors {
		f.Addrs[d.name] = d.addr
	}
	return f
}

// announce says in the first lines of the log where the gate is and what
// clients and registries have to trust.
func (p *process) announce(doors []door) {
	f := p.facts(doors)
	for _, d := range doors {
		p.log.Info("listening", zap.String("on", d.name), zap.String("address", d.addr))
	}
	p.log.Info("serving hosts", zap.Strings("hosts", p.first.TLS.Hosts), zap.String("tls", p.first.TLS.Mode))
	p.sayCA()
	p.log.Info("registries must trust the token root", zap.String("file", f.RootFile), zap.String("fingerprint", f.RootFingerprint))
	p.log.Info("state", zap.String("path", f.State))
}

// sayCA names the CA of mode internal, at start and when a reload has made
// another one.
func (p *process) sayCA() {
	if print := p.certs.CAFingerprint(); print != "" {
		p.log.Info("clients must trust the CA", zap.String("file", caFile(p.first)), zap.String("fingerprint", print))
	}
}
