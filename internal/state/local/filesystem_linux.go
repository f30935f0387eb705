package local

import (
	"fmt"
	"syscall"
)

// networkFS are file systems on which a lock of one machine is not reliably
// seen by another, and a page that another writes may not be seen at all.
// Numbers: statfs(2).
var networkFS = map[uint32]string{
	0x00006969: "NFS",
	0x0000517b: "SMB",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB",
	0x5346414f: "AFS",
	0x6b414653: "AFS",
	0x73757245: "Coda",
	0x0000564c: "NCP",
	0x00c36400: "Ceph",
	0x0bd00bd0: "Lustre",
	0x47504653: "GPFS",
	0x01161970: "GFS2",
	0x7461636f: "OCFS2",
}

// refuseNetwork refuses to keep a database where two machines could open it
// at the same time.
func refuseNetwork(dir string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("statfs %s: %w", dir, err)
	}
	return refuseType(dir, uint32(fs.Type))
}

func refuseType(dir string, magic uint32) error {
	if name, ok := networkFS[magic]; ok {
		return fmt.Errorf("%s is on %s: the database would be damaged as soon as two machines open it; put it on a disk of this machine", dir, name)
	}
	return nil
}
