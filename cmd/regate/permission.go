package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/regate/regate/configs"
)

// refusedPath finds in a message what os.Open was not let at. Mistakes of a
// configuration are many errors in one text.
var refusedPath = regexp.MustCompile(`open (\S+): ` + regexp.QuoteMeta(syscall.EACCES.Error()))

// whoMayNot says who it is that may not read the files of err, and what to do;
// "" if err is about something else. Who has run a command as himself must not
// be told to take the files from the gate.
func whoMayNot(err error) string {
	var paths []string
	for _, found := range refusedPath.FindAllStringSubmatch(err.Error(), -1) {
		paths = append(paths, found[1])
	}
	if len(paths) == 0 {
		return ""
	}
	slices.Sort(paths)
	self := userName(os.Geteuid())
	return fmt.Sprintf("This is user %s. If the gate runs as %[1]s: chown %[1]s %s; if not, run this as the gate's user.",
		self, strings.Join(slices.Compact(paths), " "))
}

// asRoot says that root can read what the gate's user perhaps cannot; "" if the
// state is no other user's. A gate that has never run has no state to tell by.
func asRoot(file *configs.File, uid int) string {
	if uid != 0 {
		return ""
	}
	info, err := os.Stat(file.State.Dir())
	if err != nil {
		return ""
	}
	owner, ok := ownerOf(info)
	if !ok || owner == 0 {
		return ""
	}
	return fmt.Sprintf("note: root can read every file; whether the gate's user can, `runuser -u %s -- regate check -c %s` says", userName(owner), file.Path())
}

func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// userName is the name of uid, or its number if it has none.
func userName(uid int) string {
	if u, err := user.LookupId(fmt.Sprint(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprint(uid)
}
