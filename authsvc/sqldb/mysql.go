package sqldb

import (
	"crypto/x509"
	"database/sql"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"
)

var mysqlDialect = dialect{placeholder: "?", parse: parseMySQL, foreign: foreignToMySQL}

// errMySQL does not say what is wrong: the driver may quote what it did not
// understand, which may be the password.
var errMySQL = errors.New("is no USER:PASSWORD@tcp(HOST:3306)/DATABASE")

// parseMySQL reads what xorm hands to the same driver.
func parseMySQL(text string) (address, error) {
	cfg, err := readMySQL(text)
	if err != nil {
		return address{}, err
	}
	a := address{open: cfg.TLS == nil || cfg.TLS.InsecureSkipVerify || cfg.AllowFallbackToPlaintext}
	a.how = "has no tls=true, so everybody on the way can read the hashes, and answer in the place of the database: add it, or give its ca"
	a.password = cfg.Passwd != ""
	if cfg.Net != "unix" {
		a.host, _, _ = net.SplitHostPort(cfg.Addr)
	}
	a.connect = func(roots *x509.CertPool) *sql.DB { return openMySQL(cfg, a.host, roots) }
	return a, nil
}

func readMySQL(text string) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(text)
	switch {
	case err != nil || cfg.DBName == "":
		return nil, errMySQL
	case cfg.AllowAllFiles:
		return nil, errors.New("has allowAllFiles, with which the server may read every file of this machine: delete it")
	}
	// Whatever stands there: nothing of this is needed, and each can be abused.
	cfg.MultiStatements, cfg.InterpolateParams, cfg.AllowOldPasswords = false, false, false
	cfg.Logger = silent{}
	return cfg, nil
}

func openMySQL(cfg *mysql.Config, host string, roots *x509.CertPool) *sql.DB {
	if roots != nil {
		cfg = verifiedMySQL(cfg, host, roots)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil { // which cannot be, since ParseDSN made it
		return sql.OpenDB(broken{err})
	}
	return sql.OpenDB(connector)
}

// foreignToMySQL knows ER_CANT_AGGREGATE_2COLLATIONS, which is said of "😀" and
// a column of latin1.
func foreignToMySQL(err error) bool {
	var said *mysql.MySQLError
	return errors.As(err, &said) && said.Number == 1267
}

// verifiedMySQL has the server show a certificate of roots.
func verifiedMySQL(cfg *mysql.Config, host string, roots *x509.CertPool) *mysql.Config {
	cfg = cfg.Clone()
	if cfg.Net != "unix" {
		cfg.TLS, cfg.AllowFallbackToPlaintext = trusting(roots, host), false
	}
	return cfg
}

// silent drops what the driver would print: each is an error of a query too.
type silent struct{}

func (silent) Print(...any) {}
