package redis

import (
	"net"
	"strings"

	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state"
)

// Config is the section state.redis: the Redis (6.2 or newer) or Valkey that
// the gates of a fleet share.
type Config struct {
	// Addrs are host:port addresses: one of a server, several of a Cluster, or
	// with MasterName those of the Sentinels. Required.
	Addrs []string `yaml:"addrs"`
	// MasterName is what the Sentinels call the master. Default: Addrs are no
	// Sentinels.
	MasterName string `yaml:"master_name"`
	// Cluster says that Addrs are of a Cluster though there is only one, as of
	// one that somebody else runs. Default false.
	Cluster bool `yaml:"cluster"`
	// DB is the number of the database, which a Cluster does not have. Default 0.
	DB int `yaml:"db"`

	// Username is that of an ACL user. Default: the server's "default" user.
	Username string `yaml:"username"`
	// PasswordFile holds the password alone, and is read at each connection.
	// Default: there is none.
	PasswordFile string `yaml:"password_file" file:"no" secret:"yes"`
	// SentinelUsername and SentinelPasswordFile are the same for the Sentinels.
	SentinelUsername     string `yaml:"sentinel_username"`
	SentinelPasswordFile string `yaml:"sentinel_password_file" file:"no" secret:"yes"`

	// TLS is the trust between the gate and the server; {} is TLS with the CAs
	// of the system. Default: no TLS, so everybody on the way can read which
	// hosts and accounts there are, and forget revocations.
	TLS *TLS `yaml:"tls"`

	// KeyFile holds 64 hexadecimal characters ("openssl rand -hex 32"), the same
	// for all gates: the key that private keys are encrypted with, and what is
	// kept of personal and refresh tokens. Required.
	KeyFile string `yaml:"key_file" file:"no" secret:"yes"`

	// AllowVolatile takes a server that keeps nothing on a disk, or that throws
	// keys away when it is full. What it loses are personal tokens, revocations
	// and logins; certificates and keys come back from the copy in state.path.
	// Default false: such a server is refused.
	AllowVolatile bool `yaml:"allow_volatile"`
}

// TLS are files and names, read when the gate starts.
type TLS struct {
	// CA is a file of PEM certificates that sign the server's own. Default:
	// those of the system.
	CA string `yaml:"ca" file:"no"`
	// Cert and Key are files with the certificate that the gate shows. Both or
	// neither; default none.
	Cert string `yaml:"cert" file:"no"`
	Key  string `yaml:"key" file:"no"`
	// ServerName is the name in the server's certificate. Default: the host of
	// the address.
	ServerName string `yaml:"server_name"`
}

const mostDB = 1<<16 - 1

// Validate returns every mistake as a problem.List. It opens nothing.
func (c Config) Validate() error {
	var p problem.List
	if len(c.Addrs) == 0 {
		p.Addf("addrs", "is missing: name the server as host:port, or all Sentinels, or some of a Cluster")
	}
	for _, addr := range c.Addrs {
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			p.Addf("addrs", "%q is no host:port", addr)
		}
	}
	if c.DB < 0 || c.DB > mostDB {
		p.Addf("db", "%d is not between 0 and %d", c.DB, mostDB)
	}
	if c.KeyFile == "" {
		p.Addf("key_file", "is missing: give all gates the same file with what `openssl rand -hex 32` prints")
	}
	c.checkKind(&p)
	c.checkLogin(&p)
	c.checkTLS(&p)
	return p.Err()
}

func (c Config) checkKind(p *problem.List) {
	if c.MasterName != "" && c.Cluster {
		p.Addf("cluster", "cannot stand beside master_name: a Cluster has no Sentinels")
	}
	if c.isCluster() && c.DB != 0 {
		p.Addf("db", "a Cluster has only the database 0; several addrs are a Cluster, or with master_name Sentinels")
	}
	if c.MasterName == "" && (c.SentinelUsername != "" || c.SentinelPasswordFile != "") {
		p.Addf("master_name", "is missing: without it there are no Sentinels to log in to")
	}
}

func (c Config) checkLogin(p *problem.List) {
	if c.Username != "" && c.PasswordFile == "" {
		p.Addf("password_file", "is missing: username needs one")
	}
	if c.SentinelUsername != "" && c.SentinelPasswordFile == "" {
		p.Addf("sentinel_password_file", "is missing: sentinel_username needs one")
	}
}

func (c Config) checkTLS(p *problem.List) {
	if c.TLS == nil {
		if c.PasswordFile != "" && !c.isLoopback() {
			p.Warnf("tls", "is missing, so everybody on the way can read the password: use tls: {}")
		}
		return
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		p.Addf("tls.cert", "cert and key need each other")
	}
}

func (c Config) isCluster() bool {
	return c.MasterName == "" && (c.Cluster || len(c.Addrs) > 1)
}

func (c Config) isLoopback() bool {
	for _, addr := range c.Addrs {
		host, _, _ := net.SplitHostPort(addr)
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// Check says what is wrong with the files that c names. It connects to nothing.
func (c Config) Check() error {
	var p problem.List
	_, err := c.Key()
	p.Under("key_file", err)
	db, err := newClient(c)
	if err == nil {
		err = db.Close()
	}
	p.Under("", err)
	return p.Err()
}

// Key returns the key for state.Seal. It is never made here: every gate would
// make one of its own.
func (c Config) Key() (state.Key, error) { return state.LoadKey(c.KeyFile) }
