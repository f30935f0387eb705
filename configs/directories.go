package configs

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// directories tells that something happened in the directories of files. Where
// the system does not support that, or has no more watches to give, it stays
// silent, and polling has to do.
type directories struct {
	fs     *fsnotify.Watcher // nil if there is none
	log    *zap.Logger
	failed map[string]bool // directories about which a complaint was logged
}

func newDirectories(log *zap.Logger) *directories {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("changed files are found by polling only", zap.Error(err))
	}
	return &directories{fs: fs, log: log, failed: make(map[string]bool)}
}

func (d *directories) events() <-chan fsnotify.Event {
	if d.fs == nil {
		return nil
	}
	return d.fs.Events
}

func (d *directories) errors() <-chan error {
	if d.fs == nil {
		return nil
	}
	return d.fs.Errors
}

// watch watches the directories of these files and no others.
func (d *directories) watch(files Snapshot) {
	if d.fs == nil {
		return
	}
	want := make(map[string]bool)
	for path := range files {
		want[filepath.Dir(path)] = true
	}
	for _, dir := range d.fs.WatchList() {
		if !want[dir] {
			_ = d.fs.Remove(dir) // it fails only if the watch is gone already
		}
	}
	for dir := range want {
		d.add(dir)
	}
}

func (d *directories) add(dir string) {
	err := d.fs.Add(dir) // does nothing if dir is watched
	if err != nil && !d.failed[dir] {
		d.log.Warn("directory cannot be watched, changes in it are found by polling", zap.String("dir", dir), zap.Error(err))
	}
	d.failed[dir] = err != nil
}

func (d *directories) close() {
	if d.fs != nil {
		_ = d.fs.Close()
	}
}
