package configs

import (
	"slices"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// Log is the section log: what the gate writes to stderr.
type Log struct {
	// Level is the least important line that is written: debug, info, warn or
	// error. Requests are info. Default info.
	Level string `yaml:"level"`

	// Format is json, console (for people), or auto: console on a terminal,
	// json elsewhere. Default auto.
	Format string `yaml:"format"`
}

// The values of Log.Format.
const (
	LogAuto    = "auto"
	LogJSON    = "json"
	LogConsole = "console"
)

var (
	levels  = []string{"debug", "info", "warn", "error"}
	formats = []string{LogAuto, LogJSON, LogConsole}
)

func defaultLog() Log { return Log{Level: "info", Format: LogAuto} }

// Validate says what is wrong with l.
func (l Log) Validate() error {
	var bad problem.List
	if !slices.Contains(levels, l.Level) {
		bad.Addf("level", "%q is none of %s", l.Level, strings.Join(levels, ", "))
	}
	if !slices.Contains(formats, l.Format) {
		bad.Addf("format", "%q is none of %s", l.Format, strings.Join(formats, ", "))
	}
	return bad.Err()
}
