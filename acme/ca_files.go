package acme

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/caddyserver/certmagic"

	"github.com/regate/regate/acme/client"
	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// caFiles are what the files of a CA hold.
type caFiles struct {
	client client.Config
	raw    []string // all of it, secrets included
}

// read returns what is known of c; paths of the error are relative to c.
func (c CA) read() (f caFiles, err error) {
	var l problem.List
	_, public := c.public()
	f.client = client.Config{Directory: c.directory(), Email: c.Email, Public: public}
	if c.EAB != (EAB{}) {
		mac, err := c.EAB.read()
		l.Under("eab", err)
		f.client.EAB = &client.EAB{KeyID: c.EAB.KeyID, MAC: mac}
		f.raw = append(f.raw, string(mac))
	}
	if c.TrustedRoots != "" {
		text, pool, err := readRoots(c.TrustedRoots)
		l.Under("trusted_roots", err)
		f.client.Roots = pool
		f.raw = append(f.raw, text)
	}
	if c.AccountKeyFile != "" {
		text, key, err := readKey(c.AccountKeyFile)
		l.Under("account_key_file", err)
		f.client.Key = key
		f.raw = append(f.raw, text)
	}
	return f, l.Err()
}

func (e EAB) read() ([]byte, error) {
	if e.HMACKeyFile == "" {
		return decodeMAC(e.HMACKey)
	}
	var l problem.List
	data, err := os.ReadFile(e.HMACKeyFile)
	l.Under("hmac_key_file", err)
	mac, err := decodeMAC(authn.Secret(data))
	if err != nil && len(l) == 0 {
		l.Addf("hmac_key_file", "%s %v", e.HMACKeyFile, err)
	}
	return mac, l.Err()
}

func readRoots(file string) (string, *x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return "", nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return string(data), pool, nil
}

func readKey(file string) (string, crypto.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	key, err := certmagic.PEMDecodePrivateKey(data)
	if err != nil {
		return "", nil, fmt.Errorf("%s holds no private key in PEM", file)
	}
	return string(data), key, nil
}
