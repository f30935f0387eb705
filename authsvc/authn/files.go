package authn

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
)

// ReadSecret returns what a file holds, without the white space that editors
// leave at its end, or given, if no file is named. It is read once: when the
// file changes, there is another generation.
func ReadSecret(file string, given Secret) (Secret, error) {
	if file == "" {
		return given, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fmt.Errorf("%s is empty", file)
	}
	return Secret(text), nil
}

// ReadRoots returns those who may sign the certificates of servers, of a PEM
// file, or nil, which is the system's, if no file is named.
func ReadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return roots, nil
}
