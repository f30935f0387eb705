package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A Disk is a small file system of its own, to be filled.
type Disk struct{ ballast string }

// NewDisk mounts one at path, which it makes.
func NewDisk(t testing.TB, path string, size int) *Disk {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("mode=700,size=%d", size)); err != nil {
		t.Fatalf("mount %s: %v", path, err)
	}
	return &Disk{filepath.Join(path, "ballast")}
}

// Fill leaves no room for anything.
func (d *Disk) Fill(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Errorf("fill a disk: %v", err)
		return
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("fill a disk: %v", err)
	}
}

// Clear makes room again.
func (d *Disk) Clear(t testing.TB) {
	t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		t.Fatal(err)
	}
}
