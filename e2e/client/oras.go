package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// orasProgram is what a person writes with oras-go: it pushes artifacts that
// are no images. There is no package of its command line to install.
type orasProgram struct {
	host   string
	client *auth.Client
}

func newOras(env Env) (Client, error) {
	pool := x509.NewCertPool()
	if env.CA != "" {
		ca, err := os.ReadFile(env.CA)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(ca) {
			return nil, errors.New("no certificate in " + env.CA)
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	return &orasProgram{env.Host, &auth.Client{
		Client: &http.Client{Transport: transport, Timeout: patience},
		Cache:  auth.NewCache(),
	}}, nil
}

func (o *orasProgram) Login(user, password string) error {
	registry, err := remote.NewRegistry(o.host)
	if err != nil {
		return err
	}
	o.client.Credential = auth.StaticCredential(o.host, auth.Credential{Username: user, Password: password})
	registry.Client = o.client
	return registry.Ping(context.Background())
}

func (o *orasProgram) repository(name string) (*remote.Repository, error) {
	repo, err := remote.NewRepository(o.host + "/" + name)
	if err != nil {
		return nil, err
	}
	repo.Client = o.client
	return repo, nil
}

func (o *orasProgram) Push(name, tag string) (string, error) {
	repo, err := o.repository(name)
	if err != nil {
		return "", err
	}
	ctx, store := context.Background(), memory.New()
	layer, err := oras.PushBytes(ctx, store, "application/vnd.testbed.text", []byte(rand.Text()))
	if err != nil {
		return "", err
	}
	top, err := oras.PackManifest(ctx, store, oras.PackManifestVersion1_1, "application/vnd.testbed.artifact",
		oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		return "", err
	}
	if err := store.Tag(ctx, top, tag); err != nil {
		return "", err
	}
	_, err = oras.Copy(ctx, store, tag, repo, tag, oras.DefaultCopyOptions)
	return top.Digest.String(), err
}

func (o *orasProgram) Pull(ref string) (string, error) {
	name, tag, digest := splitRef(ref)
	repo, err := o.repository(name)
	if err != nil {
		return "", err
	}
	top, err := oras.Copy(context.Background(), repo, tag+digest, memory.New(), "pulled", oras.DefaultCopyOptions)
	return top.Digest.String(), err
}

func (o *orasProgram) Delete(name, digest string) error {
	repo, err := o.repository(name)
	if err != nil {
		return err
	}
	top, err := repo.Resolve(context.Background(), digest)
	if err != nil {
		return err
	}
	return repo.Delete(context.Background(), top)
}
