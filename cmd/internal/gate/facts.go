package gate

import (
	"context"
	"slices"
	"time"

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
	p.log.Info("serving hosts", zap.Strings("hosts", p.first.TLS.Hosts), zap.String("tls", p.first.TLS.Source()))
	p.sayCA()
	p.log.Info("registries must trust the token root", zap.String("file", f.RootFile), zap.String("fingerprint", f.RootFingerprint))
	shared := zap.Skip()
	if redis := p.first.State.Redis; redis != nil {
		shared = zap.Strings("redis", redis.Addrs)
	}
	p.log.Info("state", zap.String("path", f.State), shared)
}

// firstCertificates is how long whoever started the gate is kept waiting for
// them. Readiness at /readyz does not wait.
const firstCertificates = 5 * time.Second

// tell says that the gate is ready to whoever started it, and which hosts are
// not.
func (p *process) tell(ctx context.Context, doors []door) {
	ctx, cancel := context.WithTimeout(ctx, firstCertificates)
	defer cancel()
	p.settle(ctx)
	f := p.facts(doors)
	for _, s := range f.Hosts {
		if s.Pending && !s.Trouble.Failed() { // of the others there is a line already
			p.log.Warn("host has no certificate yet", zap.String("host", s.Host))
		}
	}
	if p.opts.Ready != nil {
		p.opts.Ready(f)
	}
}

// settle waits until each host has a certificate, or is known not to get one
// for now.
func (p *process) settle(ctx context.Context) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	waits := func(s acme.Status) bool { return s.Pending && !s.Trouble.Failed() }
	for slices.ContainsFunc(p.certs.Certificates(), waits) {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// sayCA names the CA of mode internal, at start and when a reload has made
// another one.
func (p *process) sayCA() {
	if print := p.certs.CAFingerprint(); print != "" {
		p.log.Info("clients must trust the CA", zap.String("file", caFile(p.first)), zap.String("fingerprint", print))
	}
}
