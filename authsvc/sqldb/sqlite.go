package sqldb

import (
	"context"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"strings"
	"syscall"

	"modernc.org/sqlite"
)

var sqliteDialect = dialect{placeholder: "?", parse: parseSQLite}

// parseSQLite reads a path, or a URI (https://www.sqlite.org/uri.html). The
// parameters of either would be for another driver, or open the file otherwise
// than for reading, so they do not count.
func parseSQLite(text string) (address, error) {
	path, err := pathOf(text)
	if err != nil {
		return address{}, err
	}
	source := fileSource(path)
	return address{file: path, connect: func(*x509.CertPool) *sql.DB { return sql.OpenDB(source) }}, nil
}

func pathOf(text string) (path string, err error) {
	path, query, _ := strings.Cut(text, "?")
	if uri, ok := strings.CutPrefix(path, "file:"); ok {
		if path, err = url.PathUnescape(withoutAuthority(uri)); err != nil {
			return "", errors.New("is no file:PATH")
		}
	}
	values, err := url.ParseQuery(query)
	switch {
	case path == "" || path == ":memory:" || err == nil && values.Get("mode") == "memory":
		return "", errors.New("is no file, and a database in memory is empty")
	case strings.ContainsRune(path, 0):
		return "", errors.New("has a zero byte")
	}
	return path, nil
}

// withoutAuthority cuts what may be between file: and the path.
func withoutAuthority(uri string) string {
	if rest, ok := strings.CutPrefix(uri, "//"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return ""
	}
	return uri
}

func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

// A fileSource is the path of a file that is opened for reading: one that is
// not there is an error, and is not made.
type fileSource string

// Connect is driver.Connector's.
func (s fileSource) Connect(context.Context) (driver.Conn, error) {
	if err := readable(string(s)); err != nil {
		return nil, err
	}
	return s.Driver().Open("file:" + escapePath(string(s)) + "?mode=ro&_pragma=busy_timeout(1000)&_pragma=query_only(1)&_pragma=trusted_schema(0)")
}

// readable says why a file cannot be opened, for which SQLite has one word
// whatever the cause.
func readable(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would have us wait
	if err != nil {
		return err
	}
	return f.Close()
}

// Driver is driver.Connector's.
func (s fileSource) Driver() driver.Driver { return &sqlite.Driver{} }

// broken is a driver.Connector that says what is wrong.
type broken struct{ err error }

// Connect is driver.Connector's.
func (b broken) Connect(context.Context) (driver.Conn, error) { return nil, b.err }

// Driver is driver.Connector's.
func (b broken) Driver() driver.Driver { return nil }
