package mongo

import (
	"slices"
	"time"

	"github.com/regate/regate/authsvc/acl"
	"github.com/regate/regate/authsvc/authn"
)

// DialInfo says where the database is. Its keys are docker_auth's, with the
// same meaning, and more.
type DialInfo struct {
	// Addrs are HOST or HOST:PORT of servers that have the same documents: the
	// members of a replica set, or the routers of a sharded cluster. Those that
	// are named and those that they name themselves are asked. The port is 27017
	// unless it is written.
	Addrs []string `yaml:"addrs"`
	// ReplicaSet is the name that the servers must have as a set. Default: any.
	ReplicaSet string `yaml:"replica_set"`
	// Direct asks the one server of Addrs, whatever others it names. Default
	// false.
	Direct bool `yaml:"direct"`
	// Timeout bounds each question, and the way to a connection. 100ms to 1m,
	// default 10s.
	Timeout time.Duration `yaml:"timeout"`
	// Database has the collection. Required.
	Database string `yaml:"database"`

	// Username is who logs in to the server; it needs to read the collection,
	// and nothing else. Without it everybody must be allowed to.
	Username string `yaml:"username"`
	// Password is that of Username, or PasswordFile a file that holds it alone.
	Password     authn.Secret `yaml:"password"`
	PasswordFile string       `yaml:"password_file"`
	// AuthSource is the database that knows Username. Default admin.
	AuthSource string `yaml:"auth_source"`

	// EnableTLS has the servers spoken to by TLS. Default false: everybody on the
	// way can read the hashes of passwords, and change the rules.
	EnableTLS bool `yaml:"enable_tls"`
	// CACertificate is a PEM file with those who may sign the servers'
	// certificates. Default: those that the system trusts.
	CACertificate string `yaml:"ca_certificate"`
}

// UsersConfig is mongo_auth: accounts are documents such as
//
//	{username: "alice", password: "$2y$10$…", labels: {group: ["web"]}}
type UsersConfig struct {
	// DialInfo says where the database is.
	DialInfo DialInfo `yaml:"dial_info"`
	// Collection has a document for each account. Required.
	Collection string `yaml:"collection"`
	// AnyPassword lets everybody in by the name of a document without a password,
	// as docker_auth does, with any password at all. Default false: nobody.
	AnyPassword bool `yaml:"any_password"`
}

// RulesConfig is acl_mongo: rules are documents such as
//
//	{seq: 10, match: {account: "/.+/", name: "${account}/*"}, actions: ["*"], comment: "…"}
//
// and are tried in the order of seq.
type RulesConfig struct {
	// DialInfo says where the database is.
	DialInfo DialInfo `yaml:"dial_info"`
	// Collection has a document for each rule. Required.
	Collection string `yaml:"collection"`

	acl.Refresh `yaml:",inline"`
}

// Same reports whether the rules of both are the same documents, however they
// are read.
func (c *RulesConfig) Same(other *RulesConfig) bool {
	return c != nil && other != nil && slices.Equal(c.DialInfo.Addrs, other.DialInfo.Addrs) &&
		c.DialInfo.ReplicaSet == other.DialInfo.ReplicaSet && c.DialInfo.Database == other.DialInfo.Database && c.Collection == other.Collection
}

const (
	defaultTimeout = 10 * time.Second
	leastTimeout   = 100 * time.Millisecond
	mostTimeout    = time.Minute

	defaultPort   = "27017"
	defaultSource = "admin"
)

func (d DialInfo) withDefaults() DialInfo {
	if d.Timeout == 0 {
		d.Timeout = defaultTimeout
	}
	if d.AuthSource == "" {
		d.AuthSource = defaultSource
	}
	return d
}
