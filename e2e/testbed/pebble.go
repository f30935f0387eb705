package testbed

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Pebble is the CA with which the people of Let's Encrypt test clients. It may
// be stopped and launched again, and has then forgotten everything, its own root
// as well.
type Pebble struct {
	*Process
	Directory string // https://127.0.0.1:PORT/dir
	TLS       *CA    // who signed the certificate of that address

	addr, management string
	dir              string
	cfg              PebbleConfig
}

// PebbleConfig says how a pebble is set up.
type PebbleConfig struct {
	Gate     *Gate                    // whose ports it looks at
	DNS      string                   // HOST:PORT of a DNS server
	Profiles map[string]time.Duration // by name, how long certificates live; by itself one of 90 days
	EAB      bool                     // accounts need the key EABKeyID
	Nonces   int                      // percentage of good nonces that it refuses
	Reuse    int                      // percentage of orders for which a host need not be proved again
	Blocked  []string                 // names for which it gives no certificate
}

// The one account binding that a pebble with EAB knows.
const (
	EABKeyID   = "kid-1"
	EABHMACKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
)

// StartPebble starts a pebble and waits until it answers.
func StartPebble(t testing.TB, cfg PebbleConfig) *Pebble {
	t.Helper()
	p := &Pebble{TLS: NewCA(t), addr: LocalAddr(), management: LocalAddr(), dir: Dir(t), cfg: cfg}
	p.Directory = "https://" + p.addr + "/dir"
	write(t, p.file(), p.config(t))
	p.Launch(t)
	return p
}

func (p *Pebble) file() string { return filepath.Join(p.dir, "pebble.json") }

// Launch runs it, the first time or again, and waits until it answers.
func (p *Pebble) Launch(t testing.TB) {
	t.Helper()
	p.Process = Start(t, Command{
		Program: "pebble",
		Args:    []string{"-strict", "-config", p.file(), "-dnsserver", p.cfg.DNS},
		Env: []string{
			"PEBBLE_VA_NOSLEEP=1",
			"PEBBLE_AUTHZREUSE=" + strconv.Itoa(p.cfg.Reuse),
			"PEBBLE_WFE_NONCEREJECT=" + strconv.Itoa(p.cfg.Nonces),
		},
		Dir: p.dir,
	})
	p.Await(t, func() error { return answers(p.TLS.HTTP(), p.Directory, 200) })
}

func (p *Pebble) config(t testing.TB) string {
	t.Helper()
	cert, key := p.TLS.Issue(t, "127.0.0.1")
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":                  p.addr,
		"managementListenAddress":        p.management,
		"certificate":                    cert,
		"privateKey":                     key,
		"httpPort":                       p.cfg.Gate.PlainPort,
		"tlsPort":                        p.cfg.Gate.Port,
		"externalAccountBindingRequired": p.cfg.EAB,
		"externalAccountMACKeys":         map[string]string{EABKeyID: EABHMACKey},
		"domainBlocklist":                p.cfg.Blocked,
		"retryAfter":                     map[string]int{"authz": 1, "order": 1},
		"keyAlgorithm":                   "ecdsa",
		"profiles":                       p.cfg.profiles(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// profiles are as pebble wants them. An order that names none gets any one.
func (cfg PebbleConfig) profiles() map[string]any {
	if len(cfg.Profiles) == 0 {
		cfg.Profiles = map[string]time.Duration{"default": 90 * 24 * time.Hour}
	}
	all := map[string]any{}
	for name, lifetime := range cfg.Profiles {
		all[name] = map[string]any{"description": name, "validityPeriod": int(lifetime / time.Second)}
	}
	return all
}

// Root returns the authority that signs what this pebble gives out.
func (p *Pebble) Root(t testing.TB) *CA {
	t.Helper()
	text := fetch(t, p.TLS.HTTP(), "https://"+p.management+"/roots/0")
	return LoadCA(t, write(t, filepath.Join(Dir(t), "root.crt"), text))
}

// Orders returns how many orders were placed so far.
func (p *Pebble) Orders() int { return strings.Count(p.Log(), "Added order") }

// Issued returns how many certificates were given out so far.
func (p *Pebble) Issued() int { return strings.Count(p.Log(), "Issued certificate serial") }

// Replaced returns how many orders named the certificate that they replace.
func (p *Pebble) Replaced() int { return strings.Count(p.Log(), "is a replacement of") }

// Accounts returns how many accounts were made so far.
func (p *Pebble) Accounts() int { return strings.Count(p.Log(), "accounts in memory") }

// fetch returns what a GET of url brings.
func fetch(t testing.TB, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, res.Status, err)
	}
	return string(text)
}
