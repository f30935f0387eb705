package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/regate/regate/e2e/testbed"
)

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// do sends a request with the token. The body of the reply is the caller's.
func (s *site) do(t testing.TB, method, url, token string, body []byte) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*testbed.Patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := s.gate.CA.HTTP()
	client.Timeout = 0
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// putBlob uploads content to the repository and returns its digest.
func (s *site) putBlob(t testing.TB, repo string, content []byte) string {
	t.Helper()
	token := s.token(t, "admin", adminPassword, "repository:"+repo+":pull,push")
	begun := s.do(t, "POST", s.gate.URL+"/v2/"+repo+"/blobs/uploads/", token, nil)
	location, err := begun.Location()
	if begun.StatusCode != 202 || err != nil {
		t.Fatalf("begin upload: %s, Location: %v", begun.Status, err)
	}
	query := location.Query()
	query.Set("digest", digestOf(content))
	location.RawQuery = query.Encode()
	done := s.do(t, "PUT", location.String(), token, content)
	if done.StatusCode != 201 {
		text, _ := io.ReadAll(done.Body)
		t.Fatalf("finish upload: %s: %s", done.Status, text)
	}
	return digestOf(content)
}

// getBlob begins to download a blob.
func (s *site) getBlob(t testing.TB, repo, digest string) *http.Response {
	t.Helper()
	token := s.token(t, "admin", adminPassword, "repository:"+repo+":pull")
	res := s.do(t, "GET", s.gate.URL+"/v2/"+repo+"/blobs/"+digest, token, nil)
	if res.StatusCode != 200 {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("get blob: %s: %s", res.Status, text)
	}
	return res
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testbed.Patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", testbed.Patience, what)
		}
	}
}
