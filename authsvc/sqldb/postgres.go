package sqldb

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var postgresDialect = dialect{placeholder: "$1", parse: parsePostgres, foreign: foreignToPostgres}

var errPostgres = errors.New("is neither postgres://USER:PASSWORD@HOST:5432/DATABASE nor host=HOST user=USER password=… dbname=DATABASE")

func parsePostgres(text string) (address, error) {
	cfg, err := readPostgres(text)
	if err != nil {
		return address{}, err
	}
	a := address{how: "has sslmode=disable, so everybody on the way can read the hashes, and answer in the place of the database: write sslmode=verify-full, or give its ca"}
	a.password = cfg.Password != ""
	for _, w := range waysOf(cfg) {
		if !local(w.Host) && w.TLSConfig == nil {
			a.host, a.open = w.Host, true
		}
	}
	a.connect = func(roots *x509.CertPool) *sql.DB { return openPostgres(cfg, roots) }
	return a, nil
}

// readPostgres reads what xorm hands to lib/pq, in its sense. That driver goes
// to localhost where there is no host, and encrypts where sslmode is not given,
// or fails; this one would look for a socket, and go on in clear text.
func readPostgres(text string) (*pgx.ConnConfig, error) {
	if text = strings.TrimSpace(text); text == "" { // which would be all that the environment says
		return nil, errPostgres
	}
	if u, err := url.Parse(text); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		if u.Host == "" && u.Query().Get("host") == "" {
			return nil, errors.New("names no host")
		}
	} else {
		text = "host=localhost " + text // of two, the last one counts
	}
	cfg, err := pgx.ParseConfig(text)
	var missing *fs.PathError // of sslrootcert and the like
	switch {
	case errors.As(err, &missing):
		return nil, missing
	case err != nil:
		return nil, errPostgres
	}
	for _, own := range ownParams {
		delete(cfg.RuntimeParams, own)
	}
	cfg.RuntimeParams["client_encoding"] = "UTF8" // or the letters of a name would be others there
	// No statements are prepared, which a pooler between would mix up.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = 0, 0
	setWays(cfg, encrypted(waysOf(cfg)))
	return cfg, nil
}

// ownParams are lib/pq's own, which would be sent to the server otherwise, and
// which it does not know.
var ownParams = [...]string{"binary_parameters", "disable_prepared_binary_result", "fallback_application_name", "sslinline"}

func openPostgres(cfg *pgx.ConnConfig, roots *x509.CertPool) *sql.DB {
	cfg = cfg.Copy()
	if roots != nil {
		verified(cfg, roots)
	}
	return stdlib.OpenDB(*cfg)
}

// foreignToPostgres knows untranslatable_character.
func foreignToPostgres(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == "22P05"
}

// verified has every way lead to a server with a certificate of roots.
func verified(cfg *pgx.ConnConfig, roots *x509.CertPool) {
	ways := waysOf(cfg)
	for _, w := range ways {
		w.TLSConfig = trust(w, roots)
	}
	setWays(cfg, ways)
}

// trust leaves alone what never leaves the machine.
func trust(w *pgconn.FallbackConfig, roots *x509.CertPool) *tls.Config {
	if isSocket(w) {
		return nil
	}
	return trusting(roots, w.Host)
}

func isSocket(w *pgconn.FallbackConfig) bool {
	return strings.HasPrefix(w.Host, "/") || strings.HasPrefix(w.Host, "@")
}

// waysOf are all that lead to the database, in the order in which they are
// tried: hosts, and for each host with TLS and without.
func waysOf(cfg *pgx.ConnConfig) []*pgconn.FallbackConfig {
	first := &pgconn.FallbackConfig{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}
	return append([]*pgconn.FallbackConfig{first}, cfg.Fallbacks...)
}

func setWays(cfg *pgx.ConnConfig, ways []*pgconn.FallbackConfig) {
	cfg.Host, cfg.Port, cfg.TLSConfig = ways[0].Host, ways[0].Port, ways[0].TLSConfig
	cfg.Fallbacks = ways[1:]
}

// encrypted leaves out the ways in clear text, unless there are no others: what
// stands there is sslmode=disable then.
func encrypted(ways []*pgconn.FallbackConfig) []*pgconn.FallbackConfig {
	if !slices.ContainsFunc(ways, func(w *pgconn.FallbackConfig) bool { return w.TLSConfig != nil }) {
		return ways
	}
	return slices.DeleteFunc(slices.Clone(ways), func(w *pgconn.FallbackConfig) bool { return w.TLSConfig == nil && !isSocket(w) })
}
