package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/regate/regate/internal/trust"
)

// What a stranger who answers in place of a gate can cost.
const (
	fetchTime = 20 * time.Second
	fetchSize = 1 << 20
)

// errPublic says that the gate's certificate is trusted already.
var errPublic = errors.New("the certificate is publicly trusted")

// An answer is what whoever answers for a gate says and shows.
type answer struct {
	status int
	body   []byte
	shown  []*x509.Certificate // of the connection that the body came by
}

// fetchCA returns what the gate offers as its CA, if its own certificate is
// from there, and errPublic if it needs none.
func fetchCA(ctx context.Context, host trust.Host) (trust.Bundle, error) {
	a, err := askForCA(ctx, host)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	b, err := trust.ParseBundle(a.body, now)
	switch a.status {
	case http.StatusOK:
	case http.StatusMisdirectedRequest:
		return nil, fmt.Errorf("the gate at %s does not serve that name: take one that its configuration has in tls.hosts", host)
	default:
		err = fmt.Errorf("status %d", a.status)
	}
	if err != nil {
		return nil, noCA(a, host, err)
	}
	if err := b.Verify(a.shown, host, now); err != nil {
		if public(a.shown, host) { // a load balancer in front of the gate may end TLS
			return nil, errPublic
		}
		return nil, mismatch(err, a.shown, host)
	}
	return b, nil
}

// askForCA asks over a connection to it does not matter whom: the answer is
// checked against the certificates that were shown there, and a person or a
// fingerprint says whether the CA is the right one.
func askForCA(ctx context.Context, host trust.Host) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, host.URL()+"/.well-known/regate/ca.crt", nil)
	if err != nil {
		return answer{}, err
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return answer{}, unreachable(err, host)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, shown: res.TLS.PeerCertificates}
	if a.body, err = readBounded(res.Body); err != nil {
		return answer{}, unreachable(err, host)
	}
	return a, nil
}

// unreachable says why there is no answer, or no whole one.
func unreachable(err error, host trust.Host) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // its address says nothing
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer, or no whole one, within %v", host.URL(), fetchTime)
	case strings.Contains(err.Error(), "unrecognized name"): // RFC 6066 3; crypto/tls has no value for it
		return fmt.Errorf("the gate at %s has no certificate for that name, or none yet", host)
	}
	return fmt.Errorf("%s: %w", host.URL(), plain(err))
}

func readBounded(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, fetchSize+1))
	if err == nil && len(body) > fetchSize {
		err = errors.New("more than 1 MiB, which is no certificate")
	}
	return body, err
}

// plain is an error whose text may have parts that a stranger chose.
func plain(err error) error { return errors.New(trust.Printable(err.Error())) }

// noCA says why there is none: mostly because none is needed.
func noCA(a answer, host trust.Host, why error) error {
	if public(a.shown, host) {
		return errPublic
	}
	return fmt.Errorf("%s offers no CA (%w), and its certificate is from %s, which this machine does not trust:\n"+
		"ask whoever runs it for the certificate of that CA, and name it with --ca-file", host.URL(), why, trust.Printable(a.shown[0].Issuer.String()))
}

// public reports whether this machine trusts what the host has shown as it is.
func public(shown []*x509.Certificate, host trust.Host) bool {
	o := x509.VerifyOptions{DNSName: host.Name(), Intermediates: x509.NewCertPool()}
	for _, c := range shown[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := shown[0].Verify(o)
	return err == nil
}

// mismatch says what it means that the certificate is not from the CA.
func mismatch(err error, shown []*x509.Certificate, host trust.Host) error {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("%s has shown a certificate that is not for %s: is it the name that image references have?", host.URL(), host.Name())
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("the CA that %s offers is not the one that its certificate is from (%s):\n"+
			"is something between here and the gate that ends TLS?", host.URL(), trust.Printable(shown[0].Issuer.String()))
	}
	return fmt.Errorf("the certificate of %s: %w", host.URL(), plain(err))
}
