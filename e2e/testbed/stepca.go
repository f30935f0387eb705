package testbed

import (
	"crypto/x509"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A StepCA is the CA that companies run for themselves. It keeps what it knows
// in a folder, so that it may be stopped and launched again.
type StepCA struct {
	*Process
	Directory string // https://127.0.0.1:PORT/acme/acme/directory
	Root      *CA    // who signs everything, the certificate of its address too

	dir, file string
	cfg       StepCAConfig
	url       string
}

// StepCAConfig says how a step-ca is set up.
type StepCAConfig struct {
	Gate     *Gate         // whose ports it looks at
	DNS      string        // HOST:PORT of a DNS server
	Lifetime time.Duration // of certificates
}

// StartStepCA starts a step-ca and waits until it answers.
func StartStepCA(t testing.TB, cfg StepCAConfig) *StepCA {
	t.Helper()
	s := &StepCA{Root: NewCA(t), dir: Dir(t), cfg: cfg}
	addr := LocalAddr()
	s.url = "https://" + addr
	s.Directory = s.url + "/acme/acme/directory"
	s.file = write(t, filepath.Join(s.dir, "ca.json"), s.config(t, addr))
	s.Launch(t)
	return s
}

// Launch runs it, the first time or again, and waits until it answers.
func (s *StepCA) Launch(t testing.TB) {
	t.Helper()
	s.Process = Start(t, Command{Program: "step-ca", Dir: s.dir, Args: []string{
		"--insecure", // only so may the ports of challenges be chosen
		"--resolver", s.cfg.DNS,
		"--acme-http-port", strconv.Itoa(s.cfg.Gate.PlainPort),
		"--acme-tls-port", strconv.Itoa(s.cfg.Gate.Port),
		s.file,
	}})
	s.Await(t, func() error { return answers(s.Root.HTTP(), s.url+"/health", 200) })
}

func (s *StepCA) config(t testing.TB, addr string) string {
	t.Helper()
	cert, key := s.Root.Intermediate(t, "Testbed Intermediate")
	life := s.cfg.Lifetime.String()
	text, err := json.Marshal(map[string]any{
		"root": s.Root.File, "crt": cert, "key": key,
		"address": addr, "dnsNames": []string{"127.0.0.1"},
		"db":     map[string]any{"type": "badgerv2", "dataSource": filepath.Join(s.dir, "db")},
		"logger": map[string]any{"format": "text"},
		"authority": map[string]any{"backdate": "0s", "provisioners": []any{map[string]any{
			"type": "ACME", "name": "acme",
			"claims": map[string]any{"minTLSCertDuration": "1s", "defaultTLSCertDuration": life, "maxTLSCertDuration": life},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Orders returns how many orders were placed so far.
func (s *StepCA) Orders() int { return strings.Count(s.Log(), "path=/acme/acme/new-order ") }

// Intermediate makes an authority below this one, which signs servers only, and
// returns the files of its certificate and key.
func (ca *CA) Intermediate(t testing.TB, name string) (cert, key string) {
	t.Helper()
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.MaxPathLenZero = true, true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return ca.certify(t, tmpl)
}
