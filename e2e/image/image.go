// Package image makes small images of random content, so that no test needs an
// image from elsewhere and no two pushes share a layer by accident.
//
// Out come a file tree as a tar, an OCI image layout in a folder, or that
// layout as one archive. It speaks to no registry and keeps no state.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layerSize is large enough to be more than one write on the wire.
const layerSize = 300 << 10

// Platforms is what a multi-platform image of ours is for: this machine, so
// that clients which look for their own find it, and one that it is not.
func Platforms() []string { return []string{runtime.GOARCH, "riscv64"} }

// Tree returns a tar with one random file.
func Tree() []byte {
	content := make([]byte, layerSize)
	_, _ = rand.Read(content) // never fails, by its documentation
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	_ = w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: layerSize, Typeflag: tar.TypeReg})
	_, _ = w.Write(content)
	_ = w.Close() // a buffer takes everything
	return buf.Bytes()
}

// Layout writes an image with the tag into a new OCI image layout in dir, and
// returns the digest of its manifest. With more than one architecture it is an
// index over one image each, and the digest is the index's.
func Layout(dir, tag string, architectures ...string) (string, error) {
	l := layout{dir: dir}
	if err := l.begin(); err != nil {
		return "", err
	}
	var images []ocispec.Descriptor
	for _, arch := range architectures {
		images = append(images, l.image(ocispec.Platform{OS: "linux", Architecture: arch}))
	}
	top := images[0]
	if len(images) > 1 {
		top = l.put(ocispec.MediaTypeImageIndex, index(ocispec.MediaTypeImageIndex, images...))
	}
	top.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
	l.write("index.json", encode(index("", top)))
	return top.Digest.String(), l.err
}

// Archive returns the layout in dir as a tar, as `ctr images import` reads it.
func Archive(dir string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return nil, err
	}
	return buf.Bytes(), w.Close()
}

// Top returns the digest that the index.json of the layout in dir names first.
func Top(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return "", err
	}
	var top ocispec.Index
	if err := json.Unmarshal(text, &top); err != nil || len(top.Manifests) == 0 {
		return "", &os.PathError{Op: "read manifests of", Path: dir, Err: os.ErrInvalid}
	}
	return top.Manifests[0].Digest.String(), nil
}

// A layout is being written; after the first error it writes no more.
type layout struct {
	dir string
	err error
}

func (l *layout) begin() error {
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	l.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l.err
}

func (l *layout) image(p ocispec.Platform) ocispec.Descriptor {
	tree := Tree()
	layer := l.blob(ocispec.MediaTypeImageLayerGzip, compress(tree))
	config := l.put(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: p,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(tree)}},
	})
	d := l.put(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
		Layers:    []ocispec.Descriptor{layer},
	})
	d.Platform = &p
	return d
}

func (l *layout) put(mediaType string, value any) ocispec.Descriptor {
	return l.blob(mediaType, encode(value))
}

func (l *layout) blob(mediaType string, content []byte) ocispec.Descriptor {
	d := digest.FromBytes(content)
	l.write(filepath.Join("blobs", "sha256", d.Encoded()), content)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

func (l *layout) write(name string, content []byte) {
	if l.err == nil {
		l.err = os.WriteFile(filepath.Join(l.dir, name), content, 0o644)
	}
}

func index(mediaType string, manifests ...ocispec.Descriptor) ocispec.Index {
	return ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: manifests}
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain data of ours
	}
	return text
}

func compress(content []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = io.Copy(w, bytes.NewReader(content))
	_ = w.Close()
	return buf.Bytes()
}
