package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/regate/regate/internal/oci"
)

// Whatever changes something goes through the control socket, which only its
// owner can open, and never through TCP.
const (
	reloadPath = "/reload"
	rootPath   = "/root"
	revokePath = "/revoke"
)

// ErrNotRunning says that no gate listens on the control socket.
var ErrNotRunning = errors.New("no gate is running here")

// errNotOurs says that there is a socket, of somebody else.
var errNotOurs = errors.New("permission denied: only root and the user of the gate can open it")

// listenControl makes the socket, in place of one that a gate left behind
// which was killed. That none is running is known: this one holds the state.
func listenControl(path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there, and is no socket", path)
	}
	// The socket must not be open to others for a moment, so its mode is
	// there before its name is.
	hidden := filepath.Join(filepath.Dir(path), fmt.Sprintf(".control-%d", os.Getpid()))
	_ = os.Remove(hidden)
	l, err := net.Listen("unix", hidden)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(hidden, 0o600), os.Rename(hidden, path)); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// serveControl answers what the commands of the same machine ask.
func (p *process) serveControl(w http.ResponseWriter, r *http.Request) error {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == reloadPath:
		p.log.Info("reload asked for", zap.String("by", peerOf(r)))
		if err := p.reloadAsked(r.Context()); err != nil {
			return oci.Errorf(oci.BadRequest, "%v", err)
		}
		_, err := fmt.Fprintf(w, "reloaded %s\n", p.opts.Path)
		return err
	case r.Method == http.MethodPost && r.URL.Path == revokePath:
		return p.serveRevoke(w, r)
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, tokenPath):
		return p.serveTokens(w, r)
	case r.Method == http.MethodGet && r.URL.Path == rootPath:
		_, err := w.Write(p.ring.RootPEM())
		return err
	}
	return oci.Errorf(oci.NoSuchPath, "no such path")
}

type peerKey struct{}

// withPeer remembers who opened a connection of the control socket
// (unix(7), SO_PEERCRED).
func withPeer(ctx context.Context, c net.Conn) context.Context {
	peer := "unknown"
	if raw, err := c.(*net.UnixConn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				peer = fmt.Sprintf("uid %d, pid %d", cred.Uid, cred.Pid)
			}
		})
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

func peerOf(r *http.Request) string {
	peer, _ := r.Context().Value(peerKey{}).(string)
	return peer
}

// A Control asks the gate that runs with the same configuration.
type Control struct {
	path string
	http *http.Client
}

// NewControl returns a Control over the socket at path.
func NewControl(path string) *Control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
			return nil, ErrNotRunning
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, errNotOurs
		}
		return c, err
	}
	return &Control{path, &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Reload makes the gate read its configuration again, and returns what it says
// of that. The error says what is wrong with it, or is ErrNotRunning.
func (c *Control) Reload(ctx context.Context) (answer string, err error) {
	text, err := c.send(ctx, reloadPath, nil)
	return string(text), err
}

// Root returns the token root of the gate as PEM, or ErrNotRunning.
func (c *Control) Root(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gate"+rootPath, nil)
	if err != nil {
		return nil, err
	}
	return c.ask(r)
}

// send asks for a change.
func (c *Control) send(ctx context.Context, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gate"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.ask(r)
}

// ask returns the body of an answer, or the error that it tells of.
func (c *Control) ask(r *http.Request) ([]byte, error) {
	res, err := c.http.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its address says nothing
		}
		switch {
		case errors.Is(err, ErrNotRunning):
			err = fmt.Errorf("%w: nothing answers at %s", err, absolute(c.path))
		case errors.Is(err, errNotOurs):
			err = fmt.Errorf("%s: %w", absolute(c.path), err)
		}
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = refused(body)
	}
	return body, err
}

// absolute is the whole path, as somebody may be in another directory than the
// gate was started in.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// refused reads the error out of an answer.
func refused(body []byte) error {
	var answer struct{ Errors []struct{ Message string } }
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Errors) == 0 {
		return fmt.Errorf("the gate answered %q", body)
	}
	return errors.New(answer.Errors[0].Message)
}
