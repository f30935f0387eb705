package local

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"

	"go.uber.org/zap"
)

// refuseShared refuses a directory in which another user may replace the
// database and the key, and so the keys that clients trust. Root may do that
// anywhere.
func refuseShared(dir string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s can be written by everybody (mode %v), who could put other keys there: chmod o-w %s", dir, info.Mode(), dir)
	}
	self := os.Geteuid()
	if uid, ok := owner(info); ok && uid != self && uid != 0 {
		return fmt.Errorf("%s belongs to user %d, who could put other keys there, and regate runs as user %d: %s", dir, uid, self, mend(dir, uid, self))
	}
	return nil
}

// mend says what to do about a directory of uid. Root is somebody who looks
// after a gate: were the directory given to root, the gate's user would have none.
func mend(dir string, uid, self int) string {
	if self != 0 {
		return fmt.Sprintf("run it as user %d, or chown %d %s", uid, self, dir)
	}
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return fmt.Sprintf("run it as user %d", uid)
	}
	return fmt.Sprintf("run it as that user: runuser -u %s -- regate …", u.Username)
}

// warnModes tells the operator about what lets others in, yet may be meant so:
// a group for backups, a key that an orchestrator has put there.
func warnModes(cfg Config, log *zap.Logger) {
	warnMode(log, cfg.Dir(), 0o020, "state directory can be written by its group, which could put other keys there: chmod g-w it")
	// What is sealed in it is safe, names and hashes are not.
	warnMode(log, cfg.dbPath(), 0o077, "state file is open to other users: chmod 600 it")
	warnMode(log, cfg.KeyPath(), 0o077, "state key is open to other users, who can read the private keys in any copy of the state: chmod 600 it")
}

// warnMode warns if path has one of the bits wide. A key need not be there yet.
func warnMode(log *zap.Logger, path string, wide fs.FileMode, msg string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&wide != 0 {
		log.Warn(msg, zap.String("path", path), zap.Stringer("mode", info.Mode()))
	}
}
