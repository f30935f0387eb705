package gate

import (
	"testing"
	"testing/fstest"
)

var memoryLimitTests = []struct {
	name   string
	files  map[string]string
	want   int64
	wantOK bool
}{{
	name: "no cgroups",
}, {
	name:  "version 2, none set",
	files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"},
}, {
	name:   "version 2, in a container",
	files:  map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n"},
	want:   64 << 20,
	wantOK: true,
}, {
	name: "version 2, the group around it has less",
	files: map[string]string{
		"proc/self/cgroup": "0::/system.slice/regate.service\n",
		"sys/fs/cgroup/system.slice/regate.service/memory.max": "67108864\n",
		"sys/fs/cgroup/system.slice/memory.max":                "33554432\n",
		"sys/fs/cgroup/memory.max":                             "max\n",
	},
	want:   32 << 20,
	wantOK: true,
}, {
	name: "version 1, in a container, which sees its group as the root",
	files: map[string]string{
		"proc/self/cgroup":                           "3:cpu,cpuacct:/docker/1\n2:memory:/docker/1\n0::/docker/1\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864\n",
	},
	want:   64 << 20,
	wantOK: true,
}, {
	name: "version 1, none set",
	files: map[string]string{
		"proc/self/cgroup":                           "2:memory:/\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
	},
}}

func TestMemoryLimit(t *testing.T) {
	for _, test := range memoryLimitTests {
		t.Run(test.name, func(t *testing.T) {
			root := make(fstest.MapFS)
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, ok := memoryLimit(root)
			if ok != test.wantOK || ok && got != test.want {
				t.Errorf("memoryLimit() = %d, %v; want %d, %v", got, ok, test.want, test.wantOK)
			}
		})
	}
}
