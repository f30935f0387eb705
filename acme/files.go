package acme

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/regate/regate/internal/problem"
)

// files fills a shelf with certificates from disk, and looks every few seconds
// whether they have changed. It goes by the content, so it makes no difference
// how they were replaced: written over, renamed, or behind a symbolic link, as
// Kubernetes does. What cannot be used changes nothing, such as a certificate
// whose key is still to be written.
type files struct {
	shelf *shelf
	every time.Duration
	log   *zap.Logger
	stop  context.CancelFunc
	done  chan struct{}

	mu      sync.Mutex
	cfg     *Config           // that is followed
	seen    [sha256.Size]byte // content last looked at
	refused string            // why that content is not on the shelf
}

// A fileSet is what was on disk at one moment.
type fileSet struct {
	sum   [sha256.Size]byte
	certs map[string][]*tls.Certificate // by host
}

func newFiles(s *shelf, every time.Duration, log *zap.Logger) *files {
	return &files{shelf: s, every: every, log: log}
}

// follow makes cfg, of which set was read, what is looked at from now on.
func (f *files) follow(cfg Config, set *fileSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cfg, f.seen, f.refused = &cfg, set.sum, ""
	f.publish(cfg, set)
}

func (f *files) publish(cfg Config, set *fileSet) {
	f.shelf.replace(cfg.Hosts, set.certs)
	for host, certs := range set.certs {
		if left := time.Until(certs[0].Leaf.NotAfter); left < 24*time.Hour {
			f.log.Warn("certificate from file has expired or will within a day",
				zap.String("host", host), zap.Time("not_after", certs[0].Leaf.NotAfter))
		}
	}
}

func (f *files) start(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	f.done = make(chan struct{})
	go f.poll(ctx)
}

func (f *files) close() {
	if f.stop == nil {
		return
	}
	f.stop()
	<-f.done
}

func (f *files) poll(ctx context.Context) {
	defer close(f.done)
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = f.refresh() // it has logged
		}
	}
}

// refresh takes what is on disk now. The error is logged once for a content.
func (f *files) refresh() error {
	f.mu.Lock()
	cfg, seen := f.cfg, f.seen
	f.mu.Unlock()

	raw, sum, err := readPairs(cfg.Files)
	if err == nil && sum == seen {
		return nil
	}
	var set *fileSet
	if err == nil {
		set, err = arrange(*cfg, raw, sum)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cfg != cfg { // a reload came in between, and read them itself
		return nil
	}
	if err != nil {
		return f.refuse(sum, err)
	}
	f.seen, f.refused = sum, ""
	f.publish(*cfg, set)
	f.log.Info("certificates read again")
	return nil
}

func (f *files) refuse(sum [sha256.Size]byte, err error) error {
	if f.refused != err.Error() {
		f.log.Error("changed certificates cannot be used, the former ones stay", zap.Error(err))
	}
	f.seen, f.refused = sum, err.Error()
	return err
}

// adviceFiles: the certificates of all hosts wait for each other, so that a
// half-written set is never served.
const adviceFiles = "Correct the files that tls.files names: they have changed and cannot be used, so the former certificates stay."

func (f *files) trouble(string) Trouble {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused == "" {
		return Trouble{}
	}
	return Trouble{ReasonOther, clean(f.refused), adviceFiles}
}

// A rawPair is the content of the files of a KeyPair.
type rawPair struct{ cert, key []byte }

// readFiles reads and arranges the certificates that cfg names.
func readFiles(cfg Config) (*fileSet, error) {
	raw, sum, err := readPairs(cfg.Files)
	if err != nil {
		return nil, err
	}
	return arrange(cfg, raw, sum)
}

func readPairs(pairs []KeyPair) (raw []rawPair, sum [sha256.Size]byte, err error) {
	var l problem.List
	h := sha256.New()
	for i, p := range pairs {
		cert, certErr := os.ReadFile(p.Cert)
		key, keyErr := os.ReadFile(p.Key)
		l.Under(fmt.Sprintf("files[%d].cert", i), certErr)
		l.Under(fmt.Sprintf("files[%d].key", i), keyErr)
		raw = append(raw, rawPair{cert, key})
		for _, b := range [][]byte{cert, key} {
			one := sha256.Sum256(b)
			h.Write(one[:])
		}
	}
	h.Sum(sum[:0])
	return raw, sum, l.Err()
}

// arrange finds for each host the certificates that are for it.
func arrange(cfg Config, raw []rawPair, sum [sha256.Size]byte) (*fileSet, error) {
	var l problem.List
	var all []*tls.Certificate
	for i, r := range raw {
		cert, err := tls.X509KeyPair(r.cert, r.key)
		if err != nil {
			l.Addf(fmt.Sprintf("files[%d]", i), "%s, %s: %v", cfg.Files[i].Cert, cfg.Files[i].Key, err)
			continue
		}
		all = append(all, &cert)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	set := &fileSet{sum: sum, certs: map[string][]*tls.Certificate{}}
	for i, host := range cfg.Hosts {
		if set.certs[host] = certsFor(host, all); set.certs[host] == nil {
			l.Addf(fmt.Sprintf("hosts[%d]", i), "%s is in none of the certificates of tls.files", host)
		}
	}
	return set, l.Err()
}

// certsFor returns the certificates for host: first those that have its very
// name, and otherwise in the order of the configuration.
func certsFor(host string, all []*tls.Certificate) []*tls.Certificate {
	var exact, wild []*tls.Certificate
	for _, c := range all {
		switch names := namesOf(c.Leaf); {
		case slices.Contains(names, host):
			exact = append(exact, c)
		case slices.ContainsFunc(names, func(n string) bool { return MatchHost(n, host) }):
			wild = append(wild, c)
		}
	}
	return append(exact, wild...)
}

// namesOf are the hosts of a certificate. Clients have stopped looking at its
// common name (RFC 9525 2).
func namesOf(c *x509.Certificate) []string {
	names := canonicalAll(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, canonical(ip.String()))
	}
	return names
}
