package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// A Keeper can go on with the refresh token that docker keeps of a login in the
// place of the password, under the name of identitytoken. docker itself has it
// from its own logins.
type Keeper interface {
	Keep(user, token string) error
}

// Kept returns what docker has in the file of its logins for a host: either a
// password or a refresh token is "".
func Kept(home, host string) (password, token string, err error) {
	var config struct {
		Auths map[string]struct {
			Auth          []byte
			IdentityToken string
		}
	}
	text, err := os.ReadFile(filepath.Join(home, "docker", "config.json"))
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return "", "", err
	}
	_, password, _ = strings.Cut(string(config.Auths[host].Auth), ":")
	return password, config.Auths[host].IdentityToken, nil
}

// logins is the text of a file of logins, as docker writes it.
func logins(host, user, token string) string {
	none := base64.StdEncoding.EncodeToString([]byte(user + ":"))
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q, "identitytoken": %q}}}`, host, none, token)
}

func (d *docker) Keep(user, token string) error {
	_, err := writeFile(Env{Home: d.home}, "docker/config.json", logins(d.host, user, token))
	return err
}

func (c *ctr) Keep(_, token string) error {
	c.login = []string{"--refresh", token}
	return nil
}

func (p *podman) Keep(user, token string) error {
	_, err := writeFile(p.env, "auth.json", logins(p.env.Host, user, token))
	return err
}

func (b *buildah) Keep(user, token string) error {
	_, err := writeFile(b.env, "auth.json", logins(b.env.Host, user, token))
	return err
}

func (s *skopeo) Keep(user, token string) error {
	_, err := writeFile(s.env, "auth.json", logins(s.env.Host, user, token))
	return err
}

func (c *crane) Keep(user, token string) error {
	_, err := writeFile(c.env, "docker/config.json", logins(c.env.Host, user, token))
	return err
}

func (h *helm) Keep(user, token string) error {
	_, err := writeFile(h.env, "registry.json", logins(h.env.Host, user, token))
	return err
}

func (o *orasProgram) Keep(_, token string) error {
	o.client.Credential = auth.StaticCredential(o.host, auth.Credential{RefreshToken: token})
	return nil
}
