package keyring

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// loadRoot reads a root that the operator brings.
func loadRoot(certFile, keyFile string) (*root, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("a token root needs both its certificate and its key")
	}
	cert, err := readCert(certFile)
	if err != nil {
		return nil, fmt.Errorf("token root %s: %w", certFile, err)
	}
	der, err := readKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("token root's key %s: %w", keyFile, err)
	}
	key, err := parseKey(der)
	if err != nil {
		return nil, fmt.Errorf("token root's key %s: %w", keyFile, err)
	}
	root, err := newRoot(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	return root, nil
}

func readCert(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM certificate in the file")
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, errors.New("more than one PEM block in the file; the root's certificate alone is wanted")
	}
	return x509.ParseCertificate(block.Bytes)
}

// readKey returns the key as PKCS #8, whichever of its two PEM forms openssl
// wrote; openssl ecparam puts the curve's parameters in front.
func readKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			return block.Bytes, nil
		case "EC PRIVATE KEY":
			key, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			return x509.MarshalPKCS8PrivateKey(key)
		}
	}
	return nil, errors.New("no unencrypted PEM private key in the file")
}

// writeTo writes the root's certificate for registries to read, in one step,
// so that a registry that starts at the same moment never reads half of it. A
// file that has it already is left alone, also on a disk that is full.
func (r *root) writeTo(file string) error {
	if file == "" {
		return nil
	}
	if have, err := os.ReadFile(file); err == nil && r.is(have) {
		return nil
	}
	if err := replaceFile(file, r.pem()); err != nil {
		return fmt.Errorf("write the token root: %w", err)
	}
	return nil
}

func replaceFile(file string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".token-root-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when all went well
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// CheckRoot says what is wrong with a token root in these files.
func CheckRoot(certFile, keyFile string, now time.Time) error {
	r, err := loadRoot(certFile, keyFile)
	if err != nil {
		return err
	}
	return r.valid(now)
}
