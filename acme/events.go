package acme

import (
	"context"
	"errors"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/acme/client"
)

// onEvent hears from certmagic. An error ends what certmagic has just begun.
func (m *managed) onEvent(ctx context.Context, p *plan, event string, data map[string]any) error {
	host, ok := data["identifier"].(string)
	if event == "cached_managed_cert" {
		host, ok = data["sans"].([]string)[0], true // there is one name on each
	}
	if !ok || !p.sameIssuers(m.plan.Load(), host) {
		return nil // the last words of a job that was cancelled
	}
	switch event {
	case "cert_obtaining":
		return m.begin(ctx, p, host, data["renewal"] == true)
	case "cert_obtained":
		m.tellMisses(host, data["issuer"])
		m.obtained(ctx, p.wants[host], host, data)
	case "cert_failed":
		m.fail(host, data["error"].(error))
	case "cached_managed_cert":
		m.collect([]string{host})
	}
	return nil
}

// begin lets no CA be asked while its answer could not be kept: each attempt
// would be a certificate that counts, and that nobody has.
func (m *managed) begin(ctx context.Context, p *plan, host string, renewal bool) error {
	m.mu.Lock()
	delete(m.misses, host)
	m.mu.Unlock()
	if !p.wants[host].online {
		return nil
	}
	if err := m.pace.allow(host); err != nil && p.wants[host].public {
		return err // the trouble stays what it was
	}
	if renewal {
		if err := m.due(host); err != nil {
			return err
		}
	}
	err := m.storage.probe(ctx)
	if err != nil && ctx.Err() == nil {
		m.tell(host, stateTrouble(err))
	}
	return err
}

// due says why host's certificate is not to be renewed yet.
func (m *managed) due(host string) error {
	news, err := m.pace.due(host)
	if news {
		m.log.Warn("certificate is due as soon as it is renewed, so it is renewed less often: look at the CA and at this machine's clock",
			zap.String("host", host))
	}
	return err
}

// missed notes that one of the issuers issued nothing.
func (m *managed) missed(host string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.misses[host] = append(m.misses[host], err)
}

// fail notes why all issuers failed. err is the last one's.
func (m *managed) fail(host string, err error) {
	m.mu.Lock()
	if all := m.misses[host]; len(all) > 0 {
		err = errors.Join(all...)
	}
	m.mu.Unlock()
	if t := diagnose(host, err); t.Failed() { // or else it was called off
		m.pace.miss(host, countedAs(err, t.Reason))
		m.tell(host, t)
	}
}

// countedAs is how a public CA counts an attempt that failed with err.
func countedAs(err error, why Reason) Reason {
	if _, ok := errors.AsType[client.Unfit](err); ok {
		return ReasonRefused // by us: the CA has signed
	}
	return why
}

// tellMisses logs why CAs that come before the one that issued did not: nothing
// else would tell, and the last one may be needed one day.
func (m *managed) tellMisses(host string, issuer any) {
	m.mu.Lock()
	err := errors.Join(m.misses[host]...)
	delete(m.misses, host)
	m.mu.Unlock()
	if t := diagnose(host, err); t.Failed() {
		m.log.Warn("certificate is of a fallback, since CAs before it failed", zap.String("host", host), zap.Any("issuer", issuer),
			zap.String("reason", string(t.Reason)), zap.String("error", t.Detail), zap.String("advice", t.Advice))
	}
}

// tell notes and logs why an attempt failed. certmagic makes the next one.
func (m *managed) tell(host string, t Trouble) {
	m.setTrouble(host, t)
	fields := []zap.Field{zap.String("host", host), zap.String("reason", string(t.Reason)),
		zap.String("error", t.Detail), zap.String("advice", t.Advice)}
	if certs := m.shelf.view.Load().certs[host]; len(certs) > 0 && time.Now().Before(certs[0].Leaf.NotAfter) {
		m.log.Warn("certificate not renewed, the former one stays", append(fields, zap.Time("not_after", certs[0].Leaf.NotAfter))...)
		return
	}
	m.log.Error("certificate not obtained", fields...)
}

// obtained puts a certificate on the shelf that certmagic has just stored. For
// a renewed one there is no event once it is in certmagic's cache.
func (m *managed) obtained(ctx context.Context, how *policy, host string, data map[string]any) {
	m.settle(host)
	cert, err := m.load(ctx, data["certificate_path"].(string), data["private_key_path"].(string))
	if err != nil {
		m.log.Warn("new certificate cannot be read back yet", zap.String("host", host), zap.Error(err))
		return
	}
	m.place(host, cert)
	if how.online {
		m.pace.got(host, how.regular(cert.Leaf, time.Now()))
	}
	m.log.Info("certificate obtained", zap.String("host", host), zap.Any("renewal", data["renewal"]),
		zap.Any("issuer", data["issuer"]), zap.Time("not_after", cert.Leaf.NotAfter))
}

// settle is for a host that has what it wants, or that is no host any more.
func (m *managed) settle(host string) {
	m.setTrouble(host, Trouble{})
	m.pace.forget(host)
}

func (m *managed) setTrouble(host string, t Trouble) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.troubles[host] = t; !t.Failed() {
		delete(m.troubles, host)
	}
}

func (m *managed) lastTrouble(host string) Trouble {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.troubles[host]
}

// trouble is why host, or the wildcard that covers it, has no certificate, or
// no newer one.
func (m *managed) trouble(host string) Trouble {
	if m.plan.Load().wants[host] == nil {
		host = wildcard(host)
	}
	if t := m.lastTrouble(host); t.Failed() {
		return t
	}
	return stateTrouble(m.storage.trouble())
}

// tellState logs that the state cannot be used, and that it can again, which is
// tried: it may be long until something has to be written by itself.
func (m *managed) tellState(ctx context.Context) {
	err := m.storage.trouble()
	if err != nil && m.storage.probe(ctx) == nil {
		err = m.storage.trouble()
		m.revive()
	}
	m.mu.Lock()
	said := m.down
	m.down = err != nil
	m.mu.Unlock()
	switch {
	case err != nil && !said:
		m.log.Error("state cannot be used for certificates", zap.Error(err))
	case err == nil && said:
		m.log.Info("state can be used for certificates again")
	}
}

// revive ends orders whose certificate could not be kept, so that the next look
// begins them anew: certmagic would wait for up to six hours. It does so once
// for a host, lest certificates be signed and lost twice a minute.
func (m *managed) revive() {
	for host, o := range maps.Clone(m.orders) {
		switch {
		case len(m.cached(host)) > 0:
			delete(m.revived, host)
		case m.storage.hasLost(host) && !m.revived[host]:
			o.cancel()
			delete(m.orders, host)
			m.revived[host] = true
		}
	}
}
