package client

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// Issue implements certmagic.Issuer.
func (i *Issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if err := take(ctx, i.orders); err != nil {
		return nil, err
	}
	defer func() { <-i.orders }()
	ctx, said := withHint(ctx)
	chain, err := i.order(ctx, csr)
	if isProblem(err, acme.ProblemTypeAccountDoesNotExist) {
		// The server has begun anew, as those of private networks do.
		i.log.Warn("the CA no longer knows the account, so a new one is made")
		if err := i.forgetAccount(ctx); err != nil {
			return nil, err
		}
		chain, err = i.order(ctx, csr)
	}
	if err != nil {
		return nil, said.wrap(err)
	}
	return &certmagic.IssuedCertificate{Certificate: chain.ChainPEM, Metadata: chain}, nil
}

// order ends, whatever the server has to be waited for.
func (i *Issuer) order(ctx context.Context, csr *x509.CertificateRequest) (acme.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, i.time)
	defer cancel()
	account, err := i.account(ctx)
	if err != nil {
		return acme.Certificate{}, err
	}
	p, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return acme.Certificate{}, err
	}
	p.Profile = i.cfg.Profile
	p.Replaces = i.replaced(ctx, csr)
	chains, err := i.acme.ObtainCertificate(ctx, p)
	if p.Replaces != nil && refusesReplacement(err) {
		p.Replaces = nil
		chains, err = i.acme.ObtainCertificate(ctx, p)
	}
	if err != nil {
		return acme.Certificate{}, err
	}
	if len(chains) == 0 {
		return acme.Certificate{}, errors.New("the CA signed, and sent no certificate")
	}
	// There are no others: bounded hides them.
	return chains[0], i.fit(chains[0].ChainPEM, csr)
}

// replaced is the certificate of this server that the new one takes the place
// of, nil if there is none. The server lets it pass its limits (RFC 9773 5).
func (i *Issuer) replaced(ctx context.Context, csr *x509.CertificateRequest) *x509.Certificate {
	if d, err := i.acme.GetDirectory(ctx); err != nil || d.RenewalInfo == "" {
		return nil
	}
	chain, err := i.storage.Load(ctx, certmagic.StorageKeys.SiteCert(i.IssuerKey(), Subject(csr)))
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// refusesReplacement reports whether an order may have failed for what it said
// that it replaces: it has been replaced already, perhaps by an answer that was
// lost, or the server knows it no longer. alreadyReplaced is the type that it
// should have (RFC 9773 5), and acmez knows it; some servers have others.
func refusesReplacement(err error) bool {
	var p acme.Problem
	if !errors.As(err, &p) {
		return false
	}
	_, challenged := p.Resource.(acme.Authorization)
	return !challenged && (p.Status == http.StatusConflict || p.Status == http.StatusNotFound ||
		p.Type == acme.ProblemTypeAlreadyReplaced || p.Type == acme.ProblemTypeMalformed)
}

func isProblem(err error, kind string) bool {
	var p acme.Problem
	return errors.As(err, &p) && p.Type == kind
}

// Subject is the host of a request. certmagic asks for one at a time.
func Subject(csr *x509.CertificateRequest) string {
	for _, ip := range csr.IPAddresses {
		return ip.String()
	}
	for _, name := range csr.DNSNames {
		return name
	}
	return fmt.Sprint(csr.Subject)
}
