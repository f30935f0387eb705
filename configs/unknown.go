package configs

import (
	"strings"

	"github.com/regate/regate/internal/problem"
)

// A hint is what to say about a key that does not exist, but that people write
// with good reason.
type hint struct {
	key    string
	beside string // a key that exists at the level where the hint applies
	say    string
}

const (
	noPlugins = "is docker_auth's. There are no Go plugins"
	ownLogins = "is docker_auth's. Logins are kept in state here, where docker_auth's own are not taken over: delete it, and have people log in once more"
	ownRoot   = "is docker_auth's. Here tokens are signed with keys that change every day, below a root that registries" +
		" take as rootcertbundle: give them what `regate root` prints, or bring your own CA as root: {cert, key}"
)

// hints come from docker_auth's files, whose keys go to other places here.
var hints = []hint{
	{"team", "labels", "unknown key; use labels: {teams: …}"},
	{"server", "registries", "unknown key; docker_auth's server section is listen and tls here"},
	{"token", "registries", "unknown key; it belongs into auth"},
	{"users", "registries", "unknown key; it belongs into auth"},
	{"acl", "registries", "unknown key; it belongs into auth"},
	{"methods", "repository", "unknown key; use actions: [pull, push, delete]"},
	{"namespace", "repository", "unknown key; use ns: docker.io"},
	{"hosts", "token_hosts", "unknown key; those of a mirror are mirror: {hosts: […]}"},
	{"anonymous", "token_hosts", "unknown key; a mirror's is mirror: {anonymous: …}"},
	{"prefix", "token_hosts", "unknown key; a mirror's is mirror: {prefix: …}"},
	{"certificate", "root_file", ownRoot},
	{"key", "root_file", ownRoot},
	{"disable_legacy_key_id", "root_file", "is docker_auth's. Tokens carry their certificate here, which every version of the registry takes: delete it"},
	{"level_token_db", "revalidate_after", ownLogins},
	{"gcs_token_db", "revalidate_after", ownLogins},
	{"redis_token_db", "revalidate_after", ownLogins},
	{"plugin_authn", "acl", noPlugins + "; ext_auth asks a program or a hook"},
	{"plugin_authz", "acl", noPlugins + "; ext_authz asks a program or a hook"},
}

// unknown says what is probably meant by a key that the level does not have.
func (d *decoder) unknown(e entry, known *fields, above string) {
	if d.bad.full() {
		return
	}
	path := problem.Key(above, e.key)
	for _, h := range hints {
		if h.key == e.key && known.has(h.beside) {
			d.bad.addf(e.line, path, "%s", h.say)
			return
		}
	}
	if near := problem.Nearest(e.key, known.names); near != "" {
		d.bad.addf(e.line, path, "unknown key; did you mean %s?", near)
		d.bad.meant = append(d.bad.meant, problem.Key(above, near))
		return
	}
	d.bad.addf(e.line, path, "unknown key; here can be %s", strings.Join(known.names, ", "))
}
