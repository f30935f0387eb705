package dns

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/libdns/rfc2136"

	"github.com/regate/regate/internal/problem"
)

// RFC2136 is a server that takes dynamic updates (RFC 2136), such as BIND,
// Knot, PowerDNS or Samba, signed with a shared key (TSIG, RFC 8945), over TCP.
type RFC2136 struct {
	// Server is the zone's primary server, as HOST:PORT. Needed.
	Server string `yaml:"server"`

	// KeyName is what the server calls the key. Needed.
	KeyName string `yaml:"key_name"`

	// KeyAlgorithm is hmac-sha256, the default, hmac-sha1, hmac-sha224,
	// hmac-sha384 or hmac-sha512.
	KeyAlgorithm string `yaml:"key_algorithm"`

	// KeyFile holds the key in base64, alone or as tsig-keygen prints it. It is
	// read at start and at each reload. Needed.
	KeyFile string `yaml:"key_file"`
}

// algorithms are those of TSIG that the client can compute. MD5 is not offered.
var algorithms = map[string]bool{"hmac-sha1": true, "hmac-sha224": true, "hmac-sha256": true, "hmac-sha384": true, "hmac-sha512": true}

func (c RFC2136) withDefaults() RFC2136 {
	if c.KeyAlgorithm == "" {
		c.KeyAlgorithm = "hmac-sha256"
	}
	return c
}

func (c RFC2136) validate() error {
	var l problem.List
	if c.Server == "" {
		l.Addf("server", "is missing: write the HOST:PORT of the zone's primary server")
	} else if err := checkHostPort(c.Server); err != nil {
		l.Addf("server", "%v", err)
	}
	if c.KeyName == "" {
		l.Addf("key_name", "is missing: write what the server calls the key")
	} else if !isName(c.KeyName) {
		l.Addf("key_name", "%q is no name of a key", c.KeyName)
	}
	if a := c.withDefaults().KeyAlgorithm; !algorithms[a] {
		l.Addf("key_algorithm", "%q is none of %s", a, strings.Join(slices.Sorted(maps.Keys(algorithms)), ", "))
	}
	if c.KeyFile == "" {
		l.Addf("key_file", "is missing: name a file with the key in base64")
	}
	return l.Err()
}

func (c RFC2136) open() (Provider, error) {
	text, err := readSecret(c.KeyFile)
	if err != nil {
		return nil, pathed("rfc2136.key_file", err)
	}
	key, err := tsigKey(text)
	if err != nil {
		return nil, pathed("rfc2136.key_file", fmt.Errorf("%s: %w", c.KeyFile, err))
	}
	return &rfc2136.Provider{
		Server:  c.Server,
		KeyName: strings.ToLower(c.KeyName), // the client looks for the key under the canonical form of its name (RFC 4034 6.2)
		KeyAlg:  c.withDefaults().KeyAlgorithm,
		Key:     key,
	}, nil
}

// keyStatement finds the key in `key "name" { algorithm hmac-sha256; secret "…"; };`.
var keyStatement = regexp.MustCompile(`\bsecret\s+"?([^"\s;]*)"?\s*;`)

// tsigKey is the base64 of a key in the text of its file. Errors do not repeat
// what stands there.
func tsigKey(text string) (string, error) {
	if m := keyStatement.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	if key, err := base64.StdEncoding.DecodeString(text); err != nil || len(key) == 0 {
		return "", fmt.Errorf("holds no key in base64, such as tsig-keygen makes")
	}
	return text, nil
}

// pathed says with which key of Config something is wrong.
func pathed(path string, err error) error {
	var l problem.List
	l.Under(path, err)
	return l.Err()
}
