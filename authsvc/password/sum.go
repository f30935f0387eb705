package password

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// A key makes sums that mean nothing outside of this process, so that neither
// a password nor anything to guess it with stays in memory.
type key [32]byte

// A sum stands for some texts.
type sum [sha256.Size]byte

func newKey() key {
	var k key
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// sum is the MAC of the texts. Each has its length in front of it, so that no
// two lists have the same sum.
func (k *key) sum(texts ...string) sum {
	mac := hmac.New(sha256.New, k[:])
	var buf [128]byte
	for _, t := range texts {
		b := binary.BigEndian.AppendUint64(buf[:0], uint64(len(t)))
		_, _ = mac.Write(append(b, t...))
	}
	var s sum
	mac.Sum(s[:0])
	return s
}
