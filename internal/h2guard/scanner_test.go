package h2guard

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/http2"
)

// FuzzScanner has the same frames be found however the bytes are cut into pieces.
func FuzzScanner(f *testing.F) {
	var two bytes.Buffer
	w := http2.NewFramer(&two, nil)
	_ = w.WritePing(false, [8]byte{1}) // to a buffer
	_ = w.WriteDataPadded(3, true, []byte("data"), make([]byte, 7))
	f.Add(two.Bytes(), []byte{1, 8, 9, 30})
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0xff}, []byte{})
	f.Fuzz(func(t *testing.T, all, cuts []byte) {
		if got, want := scanned(all, cuts), framed(all); !slices.Equal(got, want) {
			t.Errorf("%x cut at %d: %v, want %v", all, cuts, got, want)
		}
	})
}

func scanned(all, cuts []byte) (found []frame) {
	var s scanner
	for _, cut := range append(cuts, 255) {
		piece := all[:min(int(cut), len(all))]
		if all = all[len(piece):]; cut == 255 {
			piece, all = append(piece, all...), nil
		}
		for len(piece) > 0 {
			var begun bool
			if piece, begun = s.next(piece); begun {
				found = append(found, s.frame())
			}
		}
	}
	return found
}

// framed finds them in one piece (RFC 9113 4.1).
func framed(all []byte) (found []frame) {
	for len(all) >= headerLen {
		length := int(binary.BigEndian.Uint32(all) >> 8)
		found = append(found, frame{kind: all[3], flags: all[4], length: length})
		all = all[min(headerLen+length, len(all)):]
	}
	return found
}
