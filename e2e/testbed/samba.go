package testbed

import (
	"fmt"
	"path/filepath"
	"testing"
)

// A Samba is an Active Directory, of the domain corp.example.com.
type Samba struct {
	*Process
	LDAPS string // 127.0.0.1:636, which cannot be chosen: there is one for each run
	CA    *CA    // who has signed its certificate

	dir, file string
}

// StartSamba makes a domain and starts its controller, which takes some
// seconds.
func StartSamba(t testing.TB) *Samba {
	t.Helper()
	s := &Samba{LDAPS: "127.0.0.1:636", CA: NewCA(t), dir: Dir(t)}
	Run(t, Command{Program: "samba-tool", Dir: s.dir, Args: []string{
		"domain", "provision", "--realm=CORP.EXAMPLE.COM", "--domain=CORP", fmt.Sprintf("--adminpass=Aa1-%x", random(12)),
		"--server-role=dc", "--dns-backend=NONE", "--targetdir=" + s.dir, "--host-name=dc1", "--host-ip=127.0.0.1",
		"--option=interfaces=lo", "--option=bind interfaces only=yes",
	}})
	s.file = write(t, filepath.Join(s.dir, "etc", "smb.conf"), s.config(t))
	return s
}

// Launch starts the controller, and waits until it answers.
func (s *Samba) Launch(t testing.TB) {
	t.Helper()
	s.Process = Start(t, Command{Program: "samba", Dir: s.dir, Args: []string{"-i", "-s", s.file, "--model=single"}})
	s.Await(t, func() error { return listening(s.LDAPS) })
}

// config is what samba needs for LDAP alone.
func (s *Samba) config(t testing.TB) string {
	t.Helper()
	cert, key := s.CA.Issue(t, "127.0.0.1")
	for _, name := range []string{"pid", "ncalrpc", "winbindd", "ntp", "sysvol"} {
		mkdir(t, filepath.Join(s.dir, name))
	}
	return fmt.Sprintf(`
[global]
	netbios name = DC1
	realm = CORP.EXAMPLE.COM
	workgroup = CORP
	server role = active directory domain controller
	server services = rpc, ldap, cldap, kdc
	interfaces = lo
	bind interfaces only = Yes
	lock dir = %[1]s
	cache directory = %[1]s/cache
	state directory = %[1]s/state
	private dir = %[1]s/private
	binddns dir = %[1]s/bind-dns
	pid directory = %[1]s/pid
	ncalrpc dir = %[1]s/ncalrpc
	winbindd socket directory = %[1]s/winbindd
	ntp signd socket directory = %[1]s/ntp
	log file = %[1]s/log.samba
	tls enabled = yes
	tls keyfile = %[2]s
	tls certfile = %[3]s
	tls cafile = %[4]s
[sysvol]
	path = %[1]s/sysvol
`, s.dir, key, cert, s.CA.File)
}

// Tool runs samba-tool on the domain, such as "group", "add", "devs".
func (s *Samba) Tool(t testing.TB, args ...string) {
	t.Helper()
	where := []string{"-H", filepath.Join(s.dir, "private", "sam.ldb"), "-s", s.file}
	Run(t, Command{Program: "samba-tool", Dir: s.dir, Args: append(args, where...)})
}
