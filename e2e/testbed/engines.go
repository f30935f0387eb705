package testbed

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/regate/regate/e2e/tool"
)

// StartDocker starts an engine of docker with an empty store and returns the
// address for DOCKER_HOST. Its /etc/docker is the one of the namespace.
func StartDocker(t testing.TB) string {
	t.Helper()
	return startDocker(t, func(c Command) Command { return c })
}

// StartDockerWithMirror starts one that pulls images of Docker Hub from a
// mirror, https://HOST:PORT.
func StartDockerWithMirror(t testing.TB, mirror string) string {
	t.Helper()
	return startDocker(t, func(c Command) Command {
		c.Args = append(c.Args, "--registry-mirror", mirror)
		return c
	})
}

// startDocker starts what in makes of the engine's command.
func startDocker(t testing.TB, in func(Command) Command) string {
	t.Helper()
	dir := Dir(t)
	host := "unix://" + filepath.Join(dir, "docker.sock")
	p := Start(t, in(Command{Program: "dockerd", Dir: dir, Args: []string{
		"--host", host,
		"--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"),
		"--storage-driver", "overlay2",
		"--iptables=false", "--ip6tables=false", "--bridge=none",
	}}))
	p.Await(t, try(dir, "docker", "--host", host, "version"))
	return host
}

// StartContainerd starts an engine of containerd and returns its socket.
func StartContainerd(t testing.TB) string {
	t.Helper()
	dir := Dir(t)
	socket := filepath.Join(dir, "containerd.sock")
	config := write(t, filepath.Join(dir, "config.toml"), fmt.Sprintf(`
version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "run"), socket))
	p := Start(t, Command{Program: "containerd", Dir: dir, Args: []string{"--config", config}})
	p.Await(t, try(dir, "ctr", "--address", socket, "version"))
	return socket
}

// try returns a function that runs a command and reports how it went.
func try(home, program string, args ...string) func() error {
	return func() error {
		path, err := tool.Path(program)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Env = tool.Environ(home)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, out)
		}
		return nil
	}
}
