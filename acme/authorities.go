package acme

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/internal/problem"
)

// authorities are the CAs of mode acme, and what is known of them from files.
// A reload that changes nothing here goes on with those that are there, and so
// with the orders that run.
type authorities struct {
	sum     [sha256.Size]byte // of the configuration and its files
	cfg     ACME
	clients []client.Config // in the order of cfg.all, without profiles
	parts   client.Parts
	failed  func(host string, err error) // told of each CA that issued nothing

	mu       sync.Mutex
	issuers  map[string]certmagic.Issuer // by their position and profile
	policies map[string]*policy          // by their issuers
}

// readAuthorities reads the files that cfg names. Paths are relative to cfg.
func readAuthorities(cfg ACME) (*authorities, error) {
	a := &authorities{cfg: cfg, issuers: map[string]certmagic.Issuer{}, policies: map[string]*policy{}}
	sum := sha256.New()
	var l problem.List
	for i, c := range cfg.all() {
		path := ""
		if i > 0 {
			path = fmt.Sprintf("fallback[%d]", i-1)
		}
		f, err := c.read()
		l.Under(path, err)
		fmt.Fprintf(sum, "%q", f.raw)
		a.clients = append(a.clients, f.client)
	}
	cfg.addTo(sum)
	sum.Sum(a.sum[:0])
	return a, l.Err()
}

// addTo adds what is written in the configuration, and the keys of DNS servers,
// which are read elsewhere.
func (a ACME) addTo(sum hash.Hash) {
	_ = json.NewEncoder(sum).Encode(a) // without secrets, which are *** in it
	if a.DNS == nil {
		return
	}
	var files []string
	if r := a.DNS.RFC2136; r != nil {
		files = append(files, r.KeyFile)
	}
	if c := a.DNS.Cloudflare; c != nil {
		files = append(files, c.TokenFile)
	}
	for _, f := range files {
		data, _ := os.ReadFile(f)
		fmt.Fprintf(sum, "%q", data)
	}
}

// policy is how host gets certificates. Hosts of one kind share it.
func (a *authorities) policy(host string) *policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &policy{ratio: 1.0 / 3, online: true}
	var name []string
	for i, c := range a.cfg.all() {
		if c.refuses(host) != "" {
			continue
		}
		if _, ok := c.public(); ok {
			p.public = true
		}
		profile := c.profileFor(host)
		if profile == profileShortlived {
			p.ratio = 0.5 // which leaves three days to mend things
		}
		key := fmt.Sprintf("%d %s", i, profile)
		name = append(name, key)
		p.issuers = append(p.issuers, a.issuer(key, i, profile))
	}
	key := strings.Join(name, ", ")
	if a.policies[key] == nil {
		a.policies[key] = p
	}
	return a.policies[key]
}

// issuer needs mu.
func (a *authorities) issuer(key string, i int, profile string) certmagic.Issuer {
	if a.issuers[key] == nil {
		cfg := a.clients[i]
		cfg.Profile = profile
		a.issuers[key] = &namedIssuer{client.New(cfg, a.parts), a.cfg.all()[i].CA, a.cfg.delegate(), a.failed}
	}
	return a.issuers[key]
}

// proof is how long it may take until the CA can see that a host leads here.
func (a ACME) proof() time.Duration {
	if a.DNS == nil {
		return 0
	}
	return a.DNS.Wait()
}

// delegate is where the records of all hosts are, "" for each in its own zone.
func (a ACME) delegate() string {
	if a.DNS == nil {
		return ""
	}
	return a.DNS.Delegate
}

// profileFor is which kind of certificate c is asked for.
func (c CA) profileFor(host string) string {
	if p, ok := c.public(); ok && p.addressProfile != "" && isAddr(host) {
		return p.addressProfile
	}
	return c.Profile
}

// A namedIssuer tells which CA it is that issued nothing: certmagic tells of
// the last one alone.
type namedIssuer struct {
	*client.Issuer
	name     string // as in tls.acme.ca
	delegate string // as in tls.acme.dns
	failed   func(host string, err error)
}

// Issue implements certmagic.Issuer.
func (n *namedIssuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	cert, err := n.Issuer.Issue(ctx, csr)
	if err != nil {
		err = issuerError{n.name, err, n.delegate}
		n.failed(canonical(client.Subject(csr)), err)
	}
	return cert, err
}
