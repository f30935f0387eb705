package acme

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/regate/regate/internal/state"
)

const rootLifetime = 10 * 365 * 24 * time.Hour

// CAKeys is the prefix of the CAs in the state, each by its name. Each is
// written once.
const CAKeys = "tls/ca/"

// CAKey is where the state has the CA that cfg names; "" if it has none.
func CAKey(cfg Config) string {
	cfg = cfg.withDefaults()
	if cfg.Mode != ModeInternal || cfg.Internal.CACert != "" {
		return ""
	}
	return CAKeys + cfg.Internal.Name
}

// CAFingerprint is the fingerprint of what the state has at a CAKey.
func CAFingerprint(stored []byte) (string, error) {
	a, err := parseAuthority(stored, stored)
	if err != nil {
		return "", err
	}
	return a.fingerprint(), nil
}

// nowhere is a name that nobody can have (RFC 6761 6.4). A root that may sign
// for addresses only permits it: with no name permitted, all would be.
const nowhere = "invalid"

// loadAuthority reads the CA that cfg names, and makes it if there is none.
func loadAuthority(ctx context.Context, store state.Store, cfg Config) (*authority, error) {
	if in := cfg.Internal; in.CACert != "" {
		return readAuthority(in.CACert, in.CAKey)
	}
	a, err := storedAuthority(ctx, store, cfg.Internal.Name)
	if errors.Is(err, state.ErrNotFound) {
		return createAuthority(ctx, store, cfg)
	}
	return a, err
}

// storedAuthority reads a bundle of certificate and key, of which X509KeyPair
// skips the blocks that it does not look for.
func storedAuthority(ctx context.Context, store state.Store, name string) (*authority, error) {
	v, err := store.Get(ctx, CAKeys+name)
	if err != nil {
		return nil, fmt.Errorf("read the CA from the state: %w", err)
	}
	a, err := parseAuthority(v.Data, v.Data)
	if err != nil {
		return nil, fmt.Errorf("the CA in the state: %w", err)
	}
	a.name = name
	return a, nil
}

// createAuthority makes a CA and keeps it. Of several replicas that do so at
// the same time the first one to write wins, and the others take its CA: the
// write is refused unless nothing stands there, which no lease could promise.
func createAuthority(ctx context.Context, store state.Store, cfg Config) (*authority, error) {
	certPEM, keyPEM, err := newRoot(cfg.Internal.Name, cfg.Hosts)
	if err != nil {
		return nil, err
	}
	absent := uint64(0)
	_, err = store.Put(ctx, CAKeys+cfg.Internal.Name, slices.Concat(certPEM, keyPEM), state.PutOpts{IfRev: &absent})
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return nil, fmt.Errorf("keep the new CA in the state: %w", err)
	}
	return storedAuthority(ctx, store, cfg.Internal.Name)
}

func readAuthority(certFile, keyFile string) (*authority, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	a, err := parseAuthority(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", certFile, keyFile, err)
	}
	return a, nil
}

// newRoot makes a CA that may sign for hosts and their neighbours and nothing
// else (RFC 5280 4.2.1.10), so that whoever steals its key cannot pose as the
// rest of the internet to those who trust it.
func newRoot(name string, hosts []string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := rootTemplate(name, &key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	constrain(template, hosts)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

func rootTemplate(name string, key *ecdsa.PublicKey) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	raw, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(raw)
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		// A part of the key's hash, since trust stores look a CA up by its
		// name, and there may be several gates.
		Subject:               pkix.Name{CommonName: name + " " + hex.EncodeToString(id[:4])},
		SubjectKeyId:          id[:20], // RFC 7093 2, method 1
		NotBefore:             now.Add(-5 * time.Minute),
		NotAfter:              now.Add(rootLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil
}

// constrain permits in template what hosts need. A kind of name of which none
// is needed is forbidden as a whole.
func constrain(template *x509.Certificate, hosts []string) {
	template.PermittedDNSDomainsCritical = true
	for _, h := range hosts {
		if a, err := netip.ParseAddr(h); err == nil {
			template.PermittedIPRanges = append(template.PermittedIPRanges, prefix(a, a.BitLen()))
		} else if d := domain(h); !slices.Contains(template.PermittedDNSDomains, d) {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, d)
		}
	}
	if template.PermittedDNSDomains == nil {
		template.PermittedDNSDomains = []string{nowhere}
	}
	if template.PermittedIPRanges == nil {
		template.ExcludedIPRanges = []*net.IPNet{prefix(netip.IPv4Unspecified(), 0), prefix(netip.IPv6Unspecified(), 0)}
	}
}

func prefix(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

// domain is what a root for host may sign for: the domain that host is in, so
// that a second host is no reason for a second root; but never one in which
// strangers have names, such as "com", "co.uk" or "github.io".
func domain(host string) string {
	if d, ok := strings.CutPrefix(host, "*."); ok {
		return d
	}
	_, parent, _ := strings.Cut(host, ".")
	if suffix, _ := publicsuffix.PublicSuffix(parent); suffix == parent {
		return host
	}
	return parent
}

// publish writes the CA's certificate to path for people to copy. It stays
// untouched if it holds that certificate already.
func publish(path string, ca []byte) error {
	if have, err := os.ReadFile(path); path == "" || err == nil && bytes.Equal(have, ca) {
		return nil
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, ca, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o644); err != nil { // whatever the umask
		return err
	}
	return os.Rename(tmp, path)
}
