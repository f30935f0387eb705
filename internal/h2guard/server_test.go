package h2guard

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// TestLimitsAreKept: what is set for all connections is so for HTTP/2.
func TestLimitsAreKept(t *testing.T) {
	outer := &http.Server{
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            time.Second,
		IdleTimeout:                  time.Minute,
		MaxHeaderBytes:               1 << 10,
		ErrorLog:                     log.New(io.Discard, "", 0),
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: 7},
	}
	was, is := reflect.ValueOf(outer).Elem(), reflect.ValueOf(innerServer(outer)).Elem()
	for i := range was.NumField() {
		f := was.Type().Field(i)
		if f.IsExported() && !was.Field(i).IsZero() && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			t.Errorf("%s is %v, want %v", f.Name, is.Field(i), was.Field(i))
		}
	}
}

// TestLateConnection comes when the server has been shut down.
func TestLateConnection(t *testing.T) {
	inner := innerServer(&http.Server{})
	if err := inner.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(inner, newConn(tls.Server(near, &tls.Config{}), nil))
	}()
	select {
	case <-done: // and net/http closes it
	case <-time.After(patience):
		t.Error("it is waited for")
	}
}
