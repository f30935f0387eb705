package client

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// A Misbehaviour is what a server must not do, or send.
type Misbehaviour struct{ Err error }

func (m Misbehaviour) Error() string { return m.Err.Error() }
func (m Misbehaviour) Unwrap() error { return m.Err }

// An Unfit certificate is one that the server has signed, and that nobody
// should be shown.
type Unfit struct{ Err error }

func (u Unfit) Error() string { return "the CA's certificate " + u.Err.Error() }
func (u Unfit) Unwrap() error { return u.Err }

const (
	maxChain      = 10       // certificates; clients give up at about as many
	maxChainBytes = 64 << 10 // of PEM; a handshake has no room for much more
	maxSkew       = 5 * time.Minute
	leastLifetime = 20 * time.Second // of public CAs; those of tests have shorter ones
)

// fit checks what a server sent for csr, before it takes the place of something
// better. Whether clients trust it is for them to say.
func (i *Issuer) fit(chain []byte, csr *x509.CertificateRequest) error {
	leaf, err := readChain(chain)
	if err == nil {
		err = isFor(leaf, csr)
	}
	if err == nil {
		err = isGood(leaf, time.Now())
	}
	if err == nil && i.cfg.Public && leaf.NotAfter.Sub(leaf.NotBefore) < leastLifetime {
		err = fmt.Errorf("lives for %s only", leaf.NotAfter.Sub(leaf.NotBefore))
	}
	if err != nil {
		return Unfit{err}
	}
	return nil
}

// readChain returns the first certificate of a chain, all of which can be read.
func readChain(chain []byte) (leaf *x509.Certificate, err error) {
	if len(chain) > maxChainBytes {
		return nil, fmt.Errorf("has a chain of %d bytes, more than %d", len(chain), maxChainBytes)
	}
	n := 0
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("comes with a PEM block of type %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		if n++; n > maxChain {
			return nil, fmt.Errorf("has a chain of more than %d certificates", maxChain)
		}
		if leaf == nil {
			leaf = cert
		}
	}
	if leaf == nil {
		return nil, errors.New("is no PEM")
	}
	return leaf, nil
}

// isFor says why leaf is not for the key and the host of csr.
func isFor(leaf *x509.Certificate, csr *x509.CertificateRequest) error {
	key, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !key.Equal(csr.PublicKey) {
		return errors.New("is for another key")
	}
	for _, ip := range csr.IPAddresses {
		if err := leaf.VerifyHostname("[" + ip.String() + "]"); err != nil {
			return fmt.Errorf("is for another host: %w", err)
		}
	}
	for _, name := range csr.DNSNames { // a wildcard is equal to itself alone
		if err := leaf.VerifyHostname(name); err != nil {
			return fmt.Errorf("is for another host: %w", err)
		}
	}
	return nil
}

// isGood says why leaf would be refused now. A clock that is a little behind
// the CA's is no reason.
func isGood(leaf *x509.Certificate, now time.Time) error {
	switch {
	case leaf.NotBefore.After(now.Add(maxSkew)):
		return fmt.Errorf("is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case !leaf.NotAfter.After(now):
		return fmt.Errorf("has expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
