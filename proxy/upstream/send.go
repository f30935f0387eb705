package upstream

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"reflect"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream/remote"
)

// errNoRepository is why a remote registry is not asked for its catalog: few
// have one, and none is about what the gate may pull.
var errNoRepository = errors.New("a registry of somebody else is asked for one repository at a time")

// Send shows the endpoint what it wants to see of a request that grant and needs
// are for, and sends it. An *oci.Error says what clients are to read; any other
// is RoundTrip's.
func (e *Endpoint) Send(out *http.Request, grant oci.Grant, needs []oci.Access) (*http.Response, error) {
	if e.remote != nil {
		if len(needs) != 1 || needs[0].Type != oci.Repository {
			return nil, oci.Errorf(oci.Unsupported, "not supported by a mirror").Because(errNoRepository)
		}
		return e.remote.Send(out, needs[0].Name)
	}
	if err := e.Credential.Set(out, grant, needs); err != nil {
		return nil, oci.Errorf(oci.Unavailable, "registry unavailable").Because(err).With("Retry-After", "10")
	}
	return e.RoundTrip(out)
}

// mostTokenConns is how many connections one token server has at once.
const mostTokenConns = 32

// openRemotes makes the endpoints of a mirror ask as somebody else's registry
// wants to be asked.
func (p *Pool) openRemotes(c Config, o Options) error {
	if !c.Mirror() {
		return nil
	}
	password, err := Trust{Password: c.Password, PasswordFile: c.PasswordFile}.password()
	if err != nil {
		return err
	}
	roots, err := c.TLS.withSystem()
	if err != nil {
		return err
	}
	p.others = &http.Transport{
		DialContext:            (&net.Dialer{Timeout: c.ConnectTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.ConnectTimeout,
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxConnsPerHost:        mostTokenConns,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  c.HeaderTimeout,
		MaxResponseHeaderBytes: headerBytes,
	}
	p.others.Protocols.SetHTTP1(true)
	for _, e := range p.endpoints {
		e.asks = remote.Config{Name: c.NS, Origin: e.URL, Username: c.Username, Password: password, TokenHosts: c.TokenHosts}
		e.remote = remote.New(e.asks, remote.Deps{Own: e.RoundTrip, Others: others{p}, Refused: o.Observe.Refused, Now: o.Now, Log: o.Log})
	}
	return nil
}

// others sends requests to token servers.
type others struct{ *Pool }

// RoundTrip implements http.RoundTripper.
func (o others) RoundTrip(out *http.Request) (*http.Response, error) {
	res, err := o.Pool.others.RoundTrip(out)
	return res, trusts(err, o.key+".tls.ca")
}

// inheritRemote takes over the tokens of a server that was there before, and how
// long it wants to be left alone.
func (e *Endpoint) inheritRemote(before *Endpoint) {
	if e.remote != nil && before.remote != nil && reflect.DeepEqual(e.asks, before.asks) {
		e.remote.Inherit(before.remote)
	}
}

// Mirror reports whether the registry is somebody else's, where nobody can push.
func (p *Pool) Mirror() bool { return p.others != nil }

// A Left is how many requests a server of somebody else's registry says to have
// left for the gate.
type Left struct {
	Upstream string
	Requests int64
}

// Left lists the servers that have said so.
func (p *Pool) Left() (all []Left) {
	for _, e := range p.endpoints {
		if e.remote == nil {
			continue
		}
		if n, ok := e.remote.Remaining(); ok {
			all = append(all, Left{e.Name, n})
		}
	}
	return all
}
