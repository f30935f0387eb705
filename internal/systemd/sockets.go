package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstSocket is the descriptor of the first socket, SD_LISTEN_FDS_START.
const firstSocket = 3

// The variables that tell of sockets.
const (
	envPID   = "LISTEN_PID"
	envCount = "LISTEN_FDS"
	envNames = "LISTEN_FDNAMES"
)

// Sockets takes the listening sockets that were opened for this process, by
// their FileDescriptorName. Closing one of them leaves it open elsewhere: who
// connects meanwhile waits for the next process. What it has taken is not there
// for a second call, nor for the programs that this one starts.
func Sockets() (map[string]net.Listener, error) {
	pid, count, names := os.Getenv(envPID), os.Getenv(envCount), os.Getenv(envNames)
	if pid != strconv.Itoa(os.Getpid()) { // or it is our parent's
		return nil, nil
	}
	err := errors.Join(os.Unsetenv(envPID), os.Unsetenv(envCount), os.Unsetenv(envNames))
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(count, 10, 8)
	if err != nil {
		return nil, fmt.Errorf("%s=%q is no number of sockets", envCount, count)
	}
	return take(int(n), strings.Split(names, ":"))
}

func take(n int, names []string) (map[string]net.Listener, error) {
	all := make(map[string]net.Listener, n)
	for i := range n {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		l, err := listener(firstSocket+i, name)
		if err == nil && all[name] != nil {
			err = errors.Join(fmt.Errorf("socket %q is there twice; one of all addresses takes IPv4 and IPv6", name), l.Close())
		}
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all[name] = l
	}
	return all, nil
}

// listener is what the package net makes of a descriptor, which it copies.
func listener(fd int, name string) (net.Listener, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("socket %q: %w", name, err)
	}
	return l, nil
}

func closeAll(all map[string]net.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}
