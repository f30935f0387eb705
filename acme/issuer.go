package acme

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
)

// An issuer lets certmagic get certificates from an authority. It trusts
// nobody, certmagic included, to ask for configured hosts only.
type issuer struct {
	ca       *authority
	hosts    []string // canonical
	lifetime time.Duration
}

// Issue implements certmagic.Issuer.
func (i issuer) Issue(_ context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := i.allows(csr); err != nil {
		return nil, certmagic.ErrNoRetry{Err: err}
	}
	chain, err := i.ca.sign(csr, i.lifetime)
	if err != nil {
		return nil, err
	}
	return &certmagic.IssuedCertificate{Certificate: chain}, nil
}

// IssuerKey implements certmagic.Issuer. It has the CA's fingerprint in it, so
// that certificates of an earlier CA count as another issuer's.
func (i issuer) IssuerKey() string {
	return "internal-" + fingerprint(i.ca.cert)[len("sha256:"):][:16]
}

func (i issuer) allows(csr *x509.CertificateRequest) error {
	names := slices.Clone(csr.DNSNames)
	for _, ip := range csr.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 || len(csr.EmailAddresses)+len(csr.URIs) > 0 {
		return fmt.Errorf("certificate request is not for hosts")
	}
	for _, n := range names {
		if !slices.Contains(i.hosts, canonical(n)) {
			return fmt.Errorf("certificate request is for %s, which is no host of ours", n)
		}
	}
	return nil
}
