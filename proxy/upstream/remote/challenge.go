package remote

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/regate/regate/internal/oci"
)

// A challenge is how a registry wants to be asked. The zero challenge is a
// registry that has not said so.
type challenge struct {
	basic   bool     // with the name and password
	realm   *url.URL // or with a token from there
	service string
}

// errNoAccount is why a registry that asks for a password does not get one.
var errNoAccount = errors.New("it asks for a password, and the gate has no username there")

// read takes the challenge that the gate can meet out of a 401. Its scope is
// not looked at: what a token is good for, the gate itself says.
func (r *Remote) read(lines []string) (challenge, error) {
	basic := false
	for _, line := range lines {
		for _, a := range parseChallenges(line) {
			switch {
			case strings.EqualFold(a.scheme, "Bearer"):
				return r.bearer(a.params)
			case strings.EqualFold(a.scheme, "Basic"):
				basic = true
			}
		}
	}
	switch {
	case !basic:
		return challenge{}, r.badChallenge(errors.New("it answered 401 and asks neither for a token nor for a password"))
	case r.cfg.Username == "":
		return challenge{}, r.hidden(others, errNoAccount)
	}
	return challenge{basic: true}, nil
}

func (r *Remote) bearer(params map[string]string) (challenge, error) {
	realm, err := r.realm(params["realm"])
	if err != nil {
		return challenge{}, r.badChallenge(err)
	}
	return challenge{realm: realm, service: params["service"]}, nil
}

func (r *Remote) badChallenge(err error) error {
	return r.refused(BadChallenge, oci.Errorf(oci.BadGateway, "%s cannot be asked for tokens", r.cfg.Name).Because(err))
}

// realm checks where the registry says that tokens are. Whoever is asked there
// sees the gate's password, and gets it to send requests.
func (r *Remote) realm(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > 2<<10 || u.Host == "" || u.Opaque != "":
		return nil, errors.New("the realm is no URL of a host")
	case u.User != nil:
		return nil, errors.New("the realm has a user")
	case sameOrigin(u, r.cfg.Origin):
		return u, nil
	case u.Scheme != "https":
		return nil, errors.New("the realm is not https")
	case !slices.ContainsFunc(r.cfg.TokenHosts, func(host string) bool { return authority("https", host) == authority("https", u.Host) }):
		return nil, fmt.Errorf("it wants tokens to be asked for at %q; if that is the registry's, add it to token_hosts", u.Host)
	}
	return u, nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && authority(a.Scheme, a.Host) == authority(b.Scheme, b.Host)
}

// authority is a host as it is compared with others: with its port.
func authority(scheme, host string) string {
	u := url.URL{Host: strings.ToLower(host)}
	port := u.Port()
	if port == "" && scheme == "https" {
		port = "443"
	} else if port == "" {
		port = "80"
	}
	return u.Hostname() + " " + port
}

// basic is the name and password of the gate.
func (r *Remote) basic() string {
	pair := r.cfg.Username + ":" + r.cfg.Password.Reveal()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}
