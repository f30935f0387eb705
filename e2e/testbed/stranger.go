package testbed

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"testing"
)

// StartStranger starts a web server that has nothing to do with a gate, at the
// gate's ports and another address.
func StartStranger(t testing.TB, address string, g *Gate) {
	t.Helper()
	cert, key := NewCA(t).Issue(t, "stranger.test")
	welcome := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "It works!") })
	silent := log.New(io.Discard, "", 0)
	secure := &http.Server{Addr: fmt.Sprintf("%s:%d", address, g.Port), Handler: welcome, ErrorLog: silent}
	plain := &http.Server{Addr: fmt.Sprintf("%s:%d", address, g.PlainPort), Handler: welcome, ErrorLog: silent}
	go func() { _ = secure.ListenAndServeTLS(cert, key) }()
	go func() { _ = plain.ListenAndServe() }()
	t.Cleanup(func() {
		_ = secure.Close()
		_ = plain.Close()
	})
	Await(t, func() error { return answers(http.DefaultClient, "http://"+plain.Addr, 200) })
	Await(t, func() error { return listening(secure.Addr) })
}
