package testbed

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A Toxiproxy is a network with faults.
type Toxiproxy struct {
	*Process
	api string
}

// StartToxiproxy starts one that leads nowhere yet.
func StartToxiproxy(t testing.TB) *Toxiproxy {
	t.Helper()
	addr := LocalAddr()
	host, port, _ := strings.Cut(addr, ":")
	p := &Toxiproxy{api: "http://" + addr}
	p.Process = Start(t, Command{Program: "toxiproxy", Args: []string{"-host", host, "-port", port}, Dir: Dir(t)})
	p.Await(t, func() error { return answers(http.DefaultClient, p.api+"/version", 200) })
	return p
}

// A Line leads through the network to one server.
type Line struct {
	Addr string // where it begins

	proxy *Toxiproxy
	name  string
}

// Line makes one to a server at an address.
func (p *Toxiproxy) Line(t testing.TB, to string) *Line {
	t.Helper()
	l := &Line{Addr: LocalAddr(), proxy: p, name: strings.ReplaceAll(to, ":", "-")}
	p.call(t, "POST", "/proxies", map[string]any{"name": l.name, "listen": l.Addr, "upstream": to, "enabled": true})
	return l
}

// Spoil adds a fault to what comes back from the server: a toxic of toxiproxy
// and its attributes.
func (l *Line) Spoil(t testing.TB, kind string, attributes map[string]any) {
	t.Helper()
	l.proxy.call(t, "POST", "/proxies/"+l.name+"/toxics", map[string]any{"name": kind, "type": kind, "attributes": attributes})
}

// Mend takes a fault away.
func (l *Line) Mend(t testing.TB, kind string) {
	t.Helper()
	l.proxy.call(t, "DELETE", "/proxies/"+l.name+"/toxics/"+kind, nil)
}

func (p *Toxiproxy) call(t testing.TB, method, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.api+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := statusIs(res, 200, 201, 204); err != nil {
		t.Fatal(err)
	}
}
