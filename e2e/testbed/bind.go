package testbed

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// A Bind is the DNS server of many a company, with the zone "test", which may
// be changed by whoever has the key (RFC 2136, RFC 8945).
type Bind struct {
	*Process
	Addr    string // 127.0.0.1:PORT
	KeyName string // as the gate is told
	KeyFile string // the secret alone, in base64
}

// StartBind starts BIND with records of the zone, "NAME. TYPE VALUE", and waits
// until it answers.
func StartBind(t testing.TB, records ...string) *Bind {
	t.Helper()
	dir, port := Dir(t), Port()
	secret := base64.StdEncoding.EncodeToString(random(32))
	Secret(secret)
	b := &Bind{
		Addr:    fmt.Sprintf("127.0.0.1:%d", port),
		KeyName: "regate",
		KeyFile: write(t, filepath.Join(dir, "secret"), secret+"\n"),
	}
	records = append([]string{"$TTL 1", "@ SOA ns.test. admin.test. 1 3600 600 86400 1", "@ NS ns.test.", "ns.test. A 127.0.0.1"}, records...)
	zone := write(t, filepath.Join(dir, "test.zone"), strings.Join(records, "\n")+"\n")
	file := write(t, filepath.Join(dir, "named.conf"), fmt.Sprintf(`
options {
	directory %q; pid-file none; session-keyfile none; managed-keys-directory %[1]q;
	listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; allow-query { any; };
};
controls { };
key %[3]q { algorithm hmac-sha256; secret %[4]q; };
zone "test" { type primary; file %[5]q; allow-update { key %[3]q; }; };
`, dir, port, b.KeyName, secret, zone))
	b.Process = Start(t, Command{Program: "named", Args: []string{"-g", "-n", "1", "-c", file}, Dir: dir})
	b.Await(t, b.answers)
	return b
}

func (b *Bind) answers() error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, b.Addr)
	}}
	_, err := r.LookupHost(context.Background(), "ns.test.")
	return err
}
