package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the only storage
	"github.com/sirupsen/logrus"
)

// startRegistry serves distribution on a socket of mode 0600. It stands behind
// the gate alone, so it needs no accounts of its own.
func startRegistry(ctx context.Context, h home) (io.Closer, error) {
	secret, err := h.uploadSecret()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(h.socket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", h.socket()) // in a directory of mode 0700
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(h.socket(), 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	logrus.SetOutput(io.Discard) // the gate logs each request
	s := &http.Server{Handler: handlers.NewApp(ctx, registryConfig(h, secret)), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }() // until Close
	return s, nil
}

func registryConfig(h home, secret string) *configuration.Configuration {
	c := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": h.images()},
		"delete":     {"enabled": true},
	}}
	c.HTTP.Secret = secret
	c.Log.AccessLog.Disabled = true
	c.Catalog.MaxEntries = 1000
	return c
}

// uploadSecret signs the state of uploads, so it must outlive a restart.
func (h home) uploadSecret() (string, error) {
	text, err := os.ReadFile(h.secret())
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return string(text), err
	}
	secret := rand.Text()
	return secret, os.WriteFile(h.secret(), []byte(secret), 0o600)
}
