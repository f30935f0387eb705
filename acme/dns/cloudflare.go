package dns

import (
	"net/http"
	"time"

	"github.com/libdns/cloudflare"

	"github.com/regate/regate/internal/problem"
)

// Cloudflare is for zones at Cloudflare. It is untested: whoever has a zone
// there is the first to try.
type Cloudflare struct {
	// TokenFile holds an API token with the permissions Zone.Zone:Read and
	// Zone.DNS:Edit for the zone, alone; not the global API key. It is read at
	// start and at each reload. Needed.
	TokenFile string `yaml:"token_file"`
}

func (c Cloudflare) validate() error {
	var l problem.List
	if c.TokenFile == "" {
		l.Addf("token_file", "is missing: name a file with an API token that may edit the zone")
	}
	return l.Err()
}

func (c Cloudflare) open() (Provider, error) {
	token, err := readSecret(c.TokenFile)
	if err != nil {
		return nil, pathed("cloudflare.token_file", err)
	}
	return &cloudflare.Provider{APIToken: token, HTTPClient: &http.Client{Timeout: 30 * time.Second}}, nil
}
