// Package storage follows the redirects of registries to where their blobs are:
// S3, a CDN, a MinIO next door.
//
// A Location goes in, and the answer of the last server that it leads to comes
// out. What a registry may name is configuration, as it would otherwise have the
// gate ask anybody in its own network; the gate shows nobody there who it is,
// or who its clients are. A presigned URL is a key to a blob: none is part of an
// error. The package does not know what a client may read of the answer.
//
// A Storage lives as long as a generation of the configuration.
package storage
