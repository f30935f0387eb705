package gate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/keyring"
	"github.com/regate/regate/internal/state"
)

// openRing adds to the options what the configuration says.
func openRing(ctx context.Context, file *configs.File, o keyring.Options, log *zap.Logger) (*keyring.Ring, error) {
	root := file.Auth.Token.Root
	o.Cert, o.Key, o.RootFile = root.Cert, root.Key, rootFile(file)
	return keyring.Open(ctx, o, log)
}

func openCerts(ctx context.Context, file *configs.File, st state.Store, log *zap.Logger) (*acme.Manager, error) {
	ca := caFile(file)
	if err := os.MkdirAll(filepath.Dir(ca), 0o755); err != nil {
		return nil, err
	}
	m, err := acme.New(ctx, file.TLS, acme.Deps{
		Store: st, HTTP: file.Listen.HTTP != "", Shared: file.State.Redis != nil, CAFile: ca, Log: log.Named("tls"),
	})
	if err != nil {
		return nil, file.Explain("tls", err)
	}
	return m, nil
}

// rootFile is where the token root is written for registries to read.
func rootFile(file *configs.File) string {
	if f := file.Auth.Token.RootFile; f != "" {
		return f
	}
	return filepath.Join(file.State.Dir(), "token-root.pem")
}

// caFile is where the certificate of the CA of mode internal is written: alone in
// a directory, which podman and skopeo take as --cert-dir.
func caFile(file *configs.File) string { return filepath.Join(file.State.Dir(), "certs", "ca.crt") }

// A Root is the token root of a configuration, for `regate root`.
type Root struct {
	File string // where it is written
	PEM  []byte
	// Export returns the certificate and the private key; nil if a running
	// gate has them.
	Export func() (cert, key []byte, err error)

	// What clients have to trust, which is another CA; nil but in mode internal.
	CAFile string
	CA     []byte
}

// ReadRoot asks the gate that runs with file for its token root, and makes
// one where none is running, and there is none yet. done gives back the state.
func ReadRoot(ctx context.Context, file *configs.File) (root Root, done func(), err error) {
	root.File = rootFile(file)
	root.PEM, err = NewControl(file.ControlSocket()).Root(ctx)
	if err == nil {
		root.CAFile, root.CA = publishedCA(file)
		return root, func() {}, nil
	}
	st, err := openState(ctx, file, zap.NewNop())
	if err != nil {
		return root, nil, fmt.Errorf("token root: %w", err)
	}
	ring, err := openRing(ctx, file, keyring.Options{Store: st}, zap.NewNop())
	if err != nil {
		_ = st.Close()
		return root, nil, err
	}
	root.PEM, root.Export = ring.RootPEM(), ring.ExportRoot
	if file.TLS.Mode == acme.ModeInternal {
		certs, err := openCerts(ctx, file, st, zap.NewNop())
		if err != nil {
			_ = st.Close()
			return root, nil, err
		}
		certs.Close()
		root.CAFile, root.CA = publishedCA(file)
	}
	return root, func() { _ = st.Close() }, nil
}

// publishedCA is the certificate that a gate in mode internal writes at its
// start for people to copy; nil if there is none, or it could not be written.
func publishedCA(file *configs.File) (path string, pem []byte) {
	if file.TLS.Mode != acme.ModeInternal {
		return "", nil
	}
	pem, err := os.ReadFile(caFile(file))
	if err != nil {
		return "", nil
	}
	return caFile(file), pem
}
