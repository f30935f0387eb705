package edge

import (
	"errors"
	"net/url"
	"strings"
)

// PublicName is the name in a public URL, https://HOST[:PORT]: in lower case,
// and without brackets. The error says why text is none.
func PublicName(text string) (string, error) {
	h, err := publicHost(text)
	return h.name, err
}

func publicHost(text string) (host, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "":
		return host{}, errors.New("is no URL such as https://registry.example.com")
	case u.Scheme != "https":
		return host{}, errors.New("does not begin with https://; clients speak TLS to the gate or to what stands before it")
	case u.Path != "" || u.User != nil || strings.ContainsAny(text, "?#"):
		return host{}, errors.New("has more than https://HOST[:PORT]; registries have no path before /v2/")
	case u.Hostname() == "":
		return host{}, errors.New("names no host")
	case strings.HasSuffix(u.Host, ":"):
		return host{}, errors.New("has a colon without a port")
	}
	if _, _, ok := splitPort(u.Host); !ok {
		return host{}, errors.New("has a port that is none")
	}
	h, ok := parseHost(u.Host)
	if !ok {
		return host{}, errors.New("names no host")
	}
	return h, nil
}
