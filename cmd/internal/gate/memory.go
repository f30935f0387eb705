package gate

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// headroom is what the collector takes for memory in use although nothing ever
// touches it, so that it costs addresses and no memory. A gate has little in
// use, and at the default pace would collect it every few hundred requests; a
// higher GOGC, which is a factor, would cost too much when many connections
// are open.
const headroom = 32 << 20

// pace sets how often memory is collected, but for what the environment says
// (GOGC, GOMEMLIMIT). The caller keeps what it returns.
func pace() []byte {
	var ballast []byte
	if os.Getenv("GOGC") == "" {
		ballast = make([]byte, headroom)
	}
	if limit, ok := memoryLimit(os.DirFS("/")); ok && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit/10*9 + int64(len(ballast)))
	}
	return ballast
}

// memoryLimit is the smallest limit on the memory of this process and of all
// that it is part of (cgroups(7), memory.max, and memory.limit_in_bytes of
// version 1). In a container, the first of the folders may not be there,
// since it goes by another name.
func memoryLimit(root fs.FS) (limit int64, ok bool) {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	limit = math.MaxInt64
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch controllers {
		case "":
			limit = min(limit, groupLimit(root, "sys/fs/cgroup", group, "memory.max"))
		case "memory":
			limit = min(limit, groupLimit(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
		}
	}
	return limit, limit < unlimited
}

// unlimited is more than any machine has; version 1 has no word for it.
const unlimited = 1 << 60

// groupLimit is the smallest limit of a group and of those around it.
func groupLimit(root fs.FS, mount, group, file string) int64 {
	limit := int64(math.MaxInt64)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if text, err := fs.ReadFile(root, path.Join(mount, dir, file)); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil { // or it is "max"
				limit = min(limit, n)
			}
		}
		if dir == "/" {
			return limit
		}
	}
}
