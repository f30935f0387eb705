package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// TestTransfersTakeNoMemory pushes and pulls a layer far larger than the memory
// that the gate may take for it.
func TestTransfersTakeNoMemory(t *testing.T) {
	t.Parallel()
	const size, allowed = 512 << 20, 32 << 20
	s := startSite(t, modes[0], testbed.Registry2, engines{})
	s.putBlob(t, "team/app", noise(1<<20)) // whatever the first request brings to life
	before := s.peak(t)

	digest := s.stream(t, "team/app", size)
	res := s.getBlob(t, "team/app", digest)
	sum := sha256.New()
	if _, err := io.Copy(sum, res.Body); err != nil {
		t.Fatal(err)
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest {
		t.Errorf("pulled %s, pushed %s", got, digest)
	}
	if grown := s.peak(t) - before; grown > allowed {
		t.Errorf("%d MiB went through, and memory grew by %d MiB, want at most %d", size>>20, grown>>20, allowed>>20)
	}
}

// stream uploads so much noise in one PATCH of unknown length, as docker does.
func (s *site) stream(t *testing.T, repo string, size int64) string {
	t.Helper()
	token := s.token(t, "admin", adminPassword, "repository:"+repo+":pull,push")
	begun := s.do(t, "POST", s.gate.URL+"/v2/"+repo+"/blobs/uploads/", token, nil)
	sum := sha256.New()
	body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{2}), size), sum)
	req, err := http.NewRequestWithContext(context.Background(), "PATCH", begun.Header.Get("Location"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := s.gate.CA.HTTP()
	client.Timeout = 0
	sent, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer sent.Body.Close()
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	done := s.do(t, "PUT", sent.Header.Get("Location")+"&digest="+digest, token, nil)
	if done.StatusCode != 201 {
		t.Fatalf("PATCH %s, PUT %s", sent.Status, done.Status)
	}
	return digest
}

// peak returns the most memory that the gate has ever had resident.
func (s *site) peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.gate.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	var kib int64
	for line := range bytes.Lines(status) {
		if _, err := fmt.Sscanf(string(line), "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	t.Fatal("no VmHWM in /proc")
	return 0
}
