package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/regate/regate/internal/state"
)

// A bundle is what certmagic keeps of one certificate. certmagic writes the
// parts one after the other, and a crash in between would leave a key beside a
// certificate that it does not belong to, which certmagic then neither uses nor
// replaces. So the parts are collected, and written as one value with the
// metadata, which come last.
type bundle map[string][]byte // part ("key", "crt", "json") → its PEM or JSON

var parts = [...]string{"crt", "json", "key"} // sorted

const lastPart = "json"

// splitAsset takes "certificates/ISSUER/SITE/SITE.crt" apart.
func splitAsset(key string) (dir, part string, ok bool) {
	dir, file := path.Split(key)
	dir = strings.TrimSuffix(dir, "/")
	site := path.Base(dir)
	part, ok = strings.CutPrefix(file, site+".")
	ok = ok && strings.HasPrefix(dir, "certificates/") && strings.Count(dir, "/") == 2 &&
		(part == "crt" || part == "json" || part == "key")
	return dir, part, ok
}

func bundleKey(dir string) string { return area + dir + "/bundle" }

// expand turns the key of a bundle into those that certmagic knows.
func expand(key string) []string {
	dir, ok := strings.CutSuffix(key, "/bundle")
	if !ok || !strings.HasPrefix(dir, "certificates/") {
		return []string{key}
	}
	var keys []string
	for _, p := range parts {
		keys = append(keys, dir+"/"+path.Base(dir)+"."+p)
	}
	return keys
}

func (s *storage) storeAsset(ctx context.Context, dir, part string, value []byte) error {
	if part != lastPart {
		s.draft(dir, part, value)
		return nil
	}
	b, rev := s.takeDraft(dir), (*uint64)(nil)
	if b["key"] == nil || b["crt"] == nil { // new metadata of the certificate that is there
		old, v, err := s.loadBundle(ctx, dir)
		if err != nil {
			return fmt.Errorf("metadata without a certificate: %w", err)
		}
		b, rev = old, &v
	}
	b[part] = value
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = s.store.Put(ctx, bundleKey(dir), data, state.PutOpts{IfRev: rev, Fence: s.fence(dir)})
	return err
}

// deleteAsset ends a bundle with its metadata, which certmagic deletes last.
// The other parts alone are only deleted to take back a write that failed.
func (s *storage) deleteAsset(ctx context.Context, dir, part string) error {
	s.takeDraft(dir)
	if part != lastPart {
		return nil
	}
	return s.store.Delete(ctx, bundleKey(dir), 0)
}

func (s *storage) loadBundle(ctx context.Context, dir string) (bundle, uint64, error) {
	v, err := s.store.Get(ctx, bundleKey(dir))
	if err != nil {
		return nil, 0, err
	}
	var b bundle
	if err := json.Unmarshal(v.Data, &b); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", bundleKey(dir), err)
	}
	for _, p := range parts {
		if b[p] == nil {
			return nil, 0, fmt.Errorf("%s has no %s", bundleKey(dir), p)
		}
	}
	return b, v.Rev, nil
}

func (s *storage) draft(dir, part string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drafts[dir] == nil {
		s.drafts[dir] = bundle{}
	}
	s.drafts[dir][part] = value
}

func (s *storage) takeDraft(dir string) bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.drafts[dir]
	delete(s.drafts, dir)
	return b
}
