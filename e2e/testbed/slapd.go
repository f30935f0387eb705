package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Slapd is OpenLDAP's server, with dc=example,dc=com, password policies, and
// nobody in it but its administrator and people who are added.
type Slapd struct {
	*Process
	Plain string // 127.0.0.1:PORT, for StartTLS too
	LDAPS string // 127.0.0.1:PORT
	CA    *CA    // who has signed its certificate

	dir, file string
}

const (
	slapdAdmin    = "cn=admin,dc=example,dc=com"
	slapdPassword = "administrator-of-slapd"
)

// StartSlapd starts a slapd and waits until it answers. ldif is what it has.
func StartSlapd(t testing.TB, ldif string) *Slapd {
	t.Helper()
	s := &Slapd{Plain: LocalAddr(), LDAPS: LocalAddr(), CA: NewCA(t), dir: Dir(t)}
	s.file = write(t, filepath.Join(s.dir, "slapd.conf"), s.config(t))
	s.Launch(t)
	s.Change(t, `
dn: dc=example,dc=com
changetype: add
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=com
changetype: add
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
changetype: add
objectClass: organizationalUnit
ou: groups

dn: cn=policy,dc=example,dc=com
changetype: add
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMustChange: TRUE

`+ldif)
	return s
}

// Launch runs it, the first time or again, and waits until it answers.
func (s *Slapd) Launch(t testing.TB) {
	t.Helper()
	// -d has it stay in the foreground, and write a line about each operation.
	s.Process = Start(t, Command{Program: "slapd", Dir: s.dir, Args: []string{
		"-d", "stats", "-f", s.file, "-h", fmt.Sprintf("ldap://%s/ ldaps://%s/", s.Plain, s.LDAPS),
	}})
	s.Await(t, func() error { return listening(s.LDAPS) })
}

func (s *Slapd) config(t testing.TB) string {
	t.Helper()
	cert, key := s.CA.Issue(t, "127.0.0.1")
	store := filepath.Join(s.dir, "db")
	mkdir(t, store)
	return fmt.Sprintf(`
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile %[1]s/pid
TLSCACertificateFile %[2]s
TLSCertificateFile %[3]s
TLSCertificateKeyFile %[4]s
database mdb
suffix "dc=example,dc=com"
rootdn %[5]q
rootpw %[6]s
directory %[7]s
maxsize 67108864
index objectClass,uid,cn,member eq
overlay memberof
memberof-group-oc groupOfNames
memberof-refint TRUE
overlay ppolicy
ppolicy_default cn=policy,dc=example,dc=com
ppolicy_use_lockout
access to attrs=userPassword by anonymous auth by self write by * none
access to * by users read by anonymous none
`, s.dir, s.CA.File, cert, key, slapdAdmin, slapdPassword, store)
}

// Change does what the LDIF says, whose records have a changetype each.
func (s *Slapd) Change(t testing.TB, ldif string) {
	t.Helper()
	Run(t, Command{
		Program: "ldapmodify", Dir: s.dir, Stdin: strings.TrimLeft(ldif, "\n"),
		Args: []string{"-x", "-H", "ldap://" + s.Plain, "-D", slapdAdmin, "-w", slapdPassword},
	})
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// Binds returns how often somebody has proved to be dn, or tried to.
func (s *Slapd) Binds(dn string) int {
	return strings.Count(s.Log(), fmt.Sprintf("BIND dn=%q method=128", dn))
}
