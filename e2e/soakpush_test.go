//go:build soak

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// errWrong is an answer that no crash excuses.
var errWrong = errors.New("wrong")

// A push is an image of which each byte follows from its name. No two have a
// blob in common: one that is written again by a registry which is killed just
// then is the registry's to lose.
type push struct {
	repo string
	n    int
}

func (x push) String() string { return fmt.Sprintf("%s:v%d", x.repo, x.n) }

// layer is small, or, of one in eight, so large that it is on its way for a while.
func (x push) layer() []byte {
	dice := rand.NewChaCha8(sha256.Sum256([]byte(x.String())))
	size := 1 + dice.Uint64()%(64<<10)
	if x.n%8 == 0 {
		size += 4 << 20
	}
	layer := make([]byte, size)
	_, _ = dice.Read(layer) // never fails, by its documentation
	return layer
}

func (x push) config() []byte {
	return fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","author":%q,"rootfs":{"type":"layers","diff_ids":[]}}`, x)
}

func (x push) manifest() []byte {
	layer, config := x.layer(), x.config()
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		ociManifest, digestOf(config), len(config), digestOf(layer), len(layer))
}

// A pusher is a client that believes nobody.
type pusher struct {
	worker
	*traffic
	dice *rand.Rand
}

func newPusher(f *fleet, l *traffic, seed uint64, i int) *pusher {
	w := worker{f.gate, f.gate.CA.HTTP(), fmt.Sprint("team/chaos", i)}
	return &pusher{w, l, rand.New(rand.NewPCG(seed, uint64(1000+i)))}
}

// work pushes and pulls, and goes on with something else if it fails.
func (p *pusher) work(t *testing.T, stop <-chan struct{}) {
	for n := 0; !t.Failed(); n++ {
		err := p.round(push{p.repo, n})
		if errors.Is(err, errWrong) {
			t.Error(err)
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(soakPause):
		}
	}
}

// round pushes an image, and pulls that of somebody.
func (p *pusher) round(x push) error {
	err := p.push(x)
	if err == nil {
		p.mu.Lock()
		p.acknowledged = append(p.acknowledged, x)
		p.mu.Unlock()
	}
	if other, ok := p.one(p.dice); ok && !errors.Is(err, errWrong) {
		err = p.pull(other)
	}
	return err
}

func (p *pusher) push(x push) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	for _, blob := range [][]byte{x.layer(), x.config()} {
		if err := p.upload(token, blob); err != nil {
			return err
		}
	}
	_, _, err = p.try("PUT manifest", request{"PUT", p.at("manifests/v%d", x.n), token, x.manifest(), http.StatusCreated})
	return err
}

// upload sends a blob in two parts.
func (p *pusher) upload(token string, blob []byte) error {
	half := len(blob) / 2
	res, _, err := p.try("POST upload", request{"POST", p.at("blobs/uploads/"), token, nil, http.StatusAccepted})
	if err != nil {
		return err
	}
	res, _, err = p.try("PATCH upload", request{"PATCH", res.Header.Get("Location"), token, blob[:half], http.StatusAccepted})
	if err != nil {
		return err
	}
	_, _, err = p.try("PUT upload", request{"PUT", res.Header.Get("Location") + "&digest=" + digestOf(blob), token, blob[half:], http.StatusCreated})
	return err
}

// pull compares all of an image with what it is to be.
func (p *pusher) pull(x push) error {
	owner := pusher{worker{p.gate, p.http, x.repo}, p.traffic, nil}
	token, err := owner.token()
	if err != nil {
		return err
	}
	manifest, layer, config := x.manifest(), x.layer(), x.config()
	for _, part := range []struct {
		path string
		want []byte
	}{
		{fmt.Sprint("manifests/v", x.n), manifest},
		{"manifests/" + digestOf(manifest), manifest},
		{"blobs/" + digestOf(config), config},
		{"blobs/" + digestOf(layer), layer},
	} {
		if err := owner.compare(token, part.path, part.want); err != nil {
			return fmt.Errorf("%v: %w", x, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pulls++
	return nil
}

// compare has each byte that comes be the right one, even where not all come.
func (p *pusher) compare(token, path string, want []byte) error {
	kind, _, _ := strings.Cut(path, "/")
	res, got, err := p.try("GET "+kind, request{"GET", p.at("%s", path), token, nil, http.StatusOK})
	if res == nil || res.StatusCode != http.StatusOK {
		return err
	}
	if err == nil && len(got) != len(want) || !bytes.HasPrefix(want, got) {
		return fmt.Errorf("%w: %s: %d bytes, which are not the %d that were pushed", errWrong, path, len(got), len(want))
	}
	return err
}

func (p *pusher) token() (authorization string, err error) {
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth("dev", devPassword)
	url := p.gate.URL + "/auth?service=registry&scope=repository:" + p.repo + ":pull,push"
	_, text, err := p.try("login", request{"GET", url, basic.Header.Get("Authorization"), nil, http.StatusOK})
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("%w: a login says %q", errWrong, text)
	}
	return "Bearer " + answer.Token, nil
}

// at is a URL within the repository.
func (p *pusher) at(format string, args ...any) string {
	return p.gate.URL + "/v2/" + p.repo + "/" + fmt.Sprintf(format, args...)
}

// A request is one with the status that it is to have.
type request struct {
	method, url, authorization string
	body                       []byte
	want                       int
}

// try sends a request. That a connection breaks is no wonder, and that nobody
// is there who could answer; anything else is wrong.
func (p *pusher) try(what string, r request) (*http.Response, []byte, error) {
	req, err := http.NewRequest(r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errWrong, err)
	}
	req.Header.Set("Authorization", r.authorization)
	req.Header.Set("Accept", ociManifest)
	req.Header.Set("Content-Type", "application/octet-stream")
	if strings.Contains(r.url, "/manifests/") {
		req.Header.Set("Content-Type", ociManifest)
	}
	res, text, err := p.send(req, r.want)
	switch {
	case err == nil:
		return res, text, nil
	case res == nil:
		what += " broken off"
	case res.StatusCode == r.want:
		what += " cut short"
	default:
		what += fmt.Sprint(" ", res.StatusCode)
		if !excused(res.StatusCode, text) {
			err = fmt.Errorf("%w: %w", errWrong, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures[what]++
	return res, text, err
}

// excused reports whether an answer says that nobody can be asked, or that an
// upload has gone with the registry that had it: clients begin it anew.
func excused(status int, text []byte) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return status == http.StatusNotFound && bytes.Contains(text, []byte(`"BLOB_UPLOAD_INVALID"`))
}
