package trust

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxCAs is far more than a CA, the next one, and what is between each and its
// root.
const maxCAs = 16

// maxRSA bounds the bits of a key, as crypto/tls does in handshakes: to check a
// signature with a larger one can be made to take for ever.
const maxRSA = 8192

// A Bundle is the certificates of CAs, as a gate publishes them.
type Bundle []*x509.Certificate

// ParseBundle reads certificates as PEM. Each must be a CA's, and may be used
// at the time now. What stands between the certificates is dropped.
func ParseBundle(text []byte, now time.Time) (Bundle, error) {
	var b Bundle
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is a %s beside the certificates, which has no place there", Printable(block.Type))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(b)+1, err)
		}
		if err := usable(c, now); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(b, c.Equal) {
			b = append(b, c)
		}
		if len(b) > maxCAs {
			return nil, fmt.Errorf("there are more than %d certificates", maxCAs)
		}
	}
	if len(b) == 0 {
		return nil, errors.New("there is no certificate (PEM)")
	}
	return b, nil
}

func usable(c *x509.Certificate, now time.Time) error {
	key, isRSA := c.PublicKey.(*rsa.PublicKey)
	switch {
	case isRSA && key.N.BitLen() > maxRSA:
		return fmt.Errorf("the CA %s has a key of more than %d bits", Name(c), maxRSA)
	case !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("%s is no certificate of a CA", Name(c))
	case now.After(c.NotAfter):
		return fmt.Errorf("the CA %s has ended on %s", Name(c), c.NotAfter.Format(time.DateOnly))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the CA %s begins at %s: is the clock of this machine right?", Name(c), c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// Anchors are the certificates that clients have to be told to trust: those
// that no other one of the bundle has signed. The others a gate sends with its
// own certificate.
func (b Bundle) Anchors() Bundle {
	return slices.DeleteFunc(slices.Clone(b), func(c *x509.Certificate) bool {
		return c.CheckSignatureFrom(c) != nil && slices.ContainsFunc(b, func(above *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, above.RawSubject) && c.CheckSignatureFrom(above) == nil
		})
	})
}

// Verify checks that the certificates a server has shown, its own first, lead
// to an anchor of the bundle, and are good for the host, as a client does that
// trusts the anchors alone.
func (b Bundle) Verify(shown []*x509.Certificate, host Host, now time.Time) error {
	if len(shown) == 0 {
		return errors.New("no certificate was shown")
	}
	o := x509.VerifyOptions{DNSName: host.Name(), CurrentTime: now, Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	for _, c := range b.Anchors() {
		o.Roots.AddCert(c)
	}
	for _, c := range shown[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := shown[0].Verify(o)
	return err
}

// PEM is the certificates and nothing else.
func (b Bundle) PEM() []byte {
	var out []byte
	for _, c := range b {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// within reports whether other has all that b has.
func (b Bundle) within(other Bundle) bool {
	return !slices.ContainsFunc(b, func(c *x509.Certificate) bool { return !slices.ContainsFunc(other, c.Equal) })
}

// Fingerprint names a certificate: "sha256:" and the hash of its DER in hex.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ParseFingerprint reads what Fingerprint prints, and also what sha256sum and
// openssl x509 -fingerprint -sha256 do.
func ParseFingerprint(s string) (string, error) {
	digits := strings.ToLower(strings.TrimSpace(s))
	for _, prefix := range []string{"sha256 fingerprint=", "sha256:"} {
		digits = strings.TrimPrefix(digits, prefix)
	}
	digits = strings.ReplaceAll(digits, ":", "")
	if raw, err := hex.DecodeString(digits); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%q is no fingerprint: it is sha256: and 64 hex digits", s)
	}
	return "sha256:" + digits, nil
}

// Name is what a certificate calls itself, fit for a terminal.
func Name(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return Printable(c.Subject.CommonName)
	}
	return Printable(c.Subject.String())
}

// Printable is a text from elsewhere, which must not move a cursor, turn a line
// around, or fill a screen.
func Printable(s string) string {
	const most = 200
	var out strings.Builder
	for i, r := range s {
		if i >= most {
			out.WriteString("…")
			break
		}
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.String()
}
