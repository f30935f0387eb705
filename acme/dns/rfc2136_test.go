package dns

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const tsig = "c2VjcmV0IG9mIHRoZSB6b25lIQ==" // "secret of the zone!"

// A primary is a server that takes signed updates and remembers them.
type primary struct {
	addr    string
	updates chan string // zone, then the records in the form of RFC 2136 2.5
}

func startPrimary(t *testing.T) primary {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := primary{l.Addr().String(), make(chan string, 10)}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(p.update), TsigSecret: map[string]string{"regate.": tsig},
		MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }} // updates are not by default
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return p
}

func (p primary) update(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	key := r.IsTsig()
	if key == nil || w.TsigStatus() != nil {
		m.Rcode = dns.RcodeNotAuth
	} else {
		m.SetTsig(key.Hdr.Name, key.Algorithm, 300, int64(key.TimeSigned))
		for _, rr := range r.Ns {
			p.updates <- r.Question[0].Name + " " + strings.Join(strings.Fields(rr.String()), " ")
		}
	}
	_ = w.WriteMsg(m)
}

func TestRFC2136Updates(t *testing.T) {
	server := startPrimary(t)
	for _, tt := range []struct{ name, keyName, file string }{
		{"key alone", "regate.", tsig + "\n"},
		{"without the last dot, in capitals", "Regate", tsig},
		{"as tsig-keygen prints it", "regate", "key \"regate\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + tsig + "\";\n};\n"},
	} {
		cfg := RFC2136{Server: server.addr, KeyName: tt.keyName, KeyFile: filepath.Join(t.TempDir(), "key")}
		write(t, cfg.KeyFile, tt.file)
		parts, err := New(Config{RFC2136: &cfg}, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		added, err := parts.Provider.AppendRecords(t.Context(), zone, challenge)
		if err != nil {
			t.Fatalf("%s: add: %v", tt.name, err)
		}
		if _, err := parts.Provider.DeleteRecords(t.Context(), zone, added); err != nil {
			t.Fatalf("%s: delete: %v", tt.name, err)
		}
		const record = `TXT "a-b_c$(id);'\""`
		for _, want := range []string{
			"example.com. _acme-challenge.registry.example.com. 60 IN " + record,
			"example.com. _acme-challenge.registry.example.com. 0 NONE " + record,
		} {
			if got := <-server.updates; got != want {
				t.Errorf("%s: update %s, want %s", tt.name, got, want)
			}
		}
	}
}

func TestRFC2136WithAWrongKey(t *testing.T) {
	server := startPrimary(t)
	cfg := RFC2136{Server: server.addr, KeyName: "regate", KeyFile: filepath.Join(t.TempDir(), "key")}
	write(t, cfg.KeyFile, "bm90IHRoZSBvbmU=")
	parts, err := New(Config{RFC2136: &cfg}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parts.Provider.AppendRecords(t.Context(), zone, challenge); err == nil {
		t.Error("an update with a wrong key had no error")
	}
}
