package ldap

import (
	"bytes"
	"errors"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

func TestScanner(t *testing.T) {
	for _, tt := range []struct {
		text  string
		parts int64
		want  error
	}{
		{"", 0, nil},
		{"\x05\x00", 1, nil},
		{"\x30\x04\x05\x00\x05\x00\x05\x00", 4, nil},
		{"\x04\x03\x30\x30\x30\x02\x01\x30", 2, nil},
		{"\x04\x81\x02ab\x04\x84\x00\x00\x00\x01a\x05\x00", 3, nil},
		{"\x9f\x81\x01\x01x\xbf\x01\x02\x05\x00", 3, nil},
		{"\x30\x80\x05\x00\x00\x00", 1, errEndless},
		{"\x04\x84\x7f\xff\xff\xff", 1, errOverlong},
		{"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff", 1, errOverlong},
		{"\x04\xff", 1, nil},
	} {
		var whole, bytewise scanner
		parts, err := whole.scan([]byte(tt.text))
		if parts != tt.parts || !errors.Is(err, tt.want) {
			t.Errorf("scan(%x) = %d, %v; want %d, %v", tt.text, parts, err, tt.parts, tt.want)
		}
		var sum int64
		for i := 0; i < len(tt.text) && err == nil; i++ {
			n, _ := bytewise.scan([]byte{tt.text[i]})
			sum += n
		}
		if err == nil && (sum != parts || bytewise != whole) {
			t.Errorf("scan(%x) byte by byte = %d, %+v; want %d, %+v", tt.text, sum, bytewise, parts, whole)
		}
	}
}

// FuzzScanner: whatever can be read has as many elements as are counted.
func FuzzScanner(f *testing.F) {
	f.Add([]byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), 3)
	f.Add([]byte("\xbf\x81\x01\x04\x30\x02\x05\x00"), 1)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		read, err := ber.ReadPacket(bytes.NewReader(text))
		if err != nil {
			return
		}
		rest := bytes.NewReader(text)
		_, _ = ber.ReadPacket(rest)
		text = text[:len(text)-rest.Len()]
		cut = max(0, min(cut, len(text)))
		var s scanner
		before, err := s.scan(text[:cut])
		if err != nil {
			return
		}
		after, err := s.scan(text[cut:])
		if err == nil && (before+after != elements(read) || s.at != identifier) {
			t.Errorf("scan(%x) counts %d, and there are %d; it ends with %+v", text, before+after, elements(read), s)
		}
	})
}

func elements(p *ber.Packet) int64 {
	n := int64(1)
	for _, child := range p.Children {
		n += elements(child)
	}
	return n
}
