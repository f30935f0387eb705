package dockerauth

import (
	"errors"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/regate/regate/internal/problem"
)

// A part is a section for the gate, while it is not clear whether the gate
// would start with it.
type part struct {
	key   string
	line  int                     // of the source's
	body  page                    // what stands below the key
	files []string                // that must be there
	check func(text string) error // what the gate thinks of the body
	try   func() error            // of this machine; nil is nothing
}

// valid is the check of a section that is a C.
func valid[C interface{ Validate() error }](text string) error {
	var c C
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		return errors.New("cannot be read")
	}
	return c.Validate()
}

// place writes a part, and reports whether it counts. If it does not, it stands
// there as a comment: without it somebody may be missing, and with it the gate
// would not start.
func (c *converter) place(p *page, d *part) bool {
	p.line("")
	write := func() {
		for line := range strings.Lines(d.body.b.String()) {
			p.line("%s", strings.TrimSuffix(line, "\n"))
		}
	}
	if c.lacks(d) {
		p.note("The report says what is missing. Take the # away when it is there.")
		p.off(d.key, write)
		return false
	}
	p.under(d.key, write)
	return true
}

// lacks reports what the gate thinks of a part, and whether it would not take
// it.
func (c *converter) lacks(d *part) bool {
	text := d.body.b.String()
	if !sayable(text) {
		c.report.add(d.line, Changed, d.key, "is a comment: ${env:…} can stand in secrets only")
		return true
	}
	var found problem.List
	found.Under(d.key, d.check(text))
	for _, f := range found {
		if f.Warning {
			c.report.add(d.line, Dangerous, f.Path, "%s", f.Msg)
		} else {
			c.report.add(d.line, Open, f.Path, "is a comment until this is right: %s", f.Msg)
		}
	}
	if found.Fatal() {
		return true
	}
	if err := c.missingFile(d); err != nil {
		c.report.add(d.line, Open, d.key, "is a comment until its files are here: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return true
	}
	return false
}

func (c *converter) missingFile(d *part) error {
	for _, file := range d.files {
		if err := c.on.File(file); err != nil {
			return err
		}
	}
	if d.try != nil {
		return d.try()
	}
	return nil
}

// carry takes texts that mean here what they mean there.
func (d *part) carry(s *section, keys ...string) {
	for _, key := range keys {
		if text, line, ok := s.text(key); ok && text != "" {
			d.body.line("%s: %s", key, quoted(text))
			s.report.kept(line, line, s.key(key))
		}
	}
}

// file is carry for the path of a file that must be there.
func (d *part) file(s *section, key string) (given bool) {
	path, _, ok := s.text(key)
	if !ok || path == "" {
		return false
	}
	s.used[key] = false // carry asks again
	d.carry(s, key)
	d.files = append(d.files, path)
	return true
}

// times is carry for durations.
func (d *part) times(s *section, keys ...string) {
	for _, key := range keys {
		if long, line, ok := s.duration(key); ok && long != 0 {
			d.body.line("%s: %s", key, long)
			s.report.kept(line, line, s.key(key))
		}
	}
}

// duration reads a time such as 10s. A number is one of nanoseconds there.
func (s *section) duration(key string) (long time.Duration, line int, ok bool) {
	text, line, ok := s.text(key)
	if !ok {
		return 0, 0, false
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		s.report.add(line, Changed, s.key(key), "is left out: it is no time such as 10s")
		return 0, 0, false
	}
	return long, line, true
}

// hidden moves a secret out of the configuration, which others may read: into
// the file that the key fileKey names or, if there is none, one that has to be
// made.
func (d *part) hidden(s *section, key, fileKey string) (given bool) {
	_, line, inline := s.text(key)
	if d.file(s, fileKey) {
		if inline {
			s.report.add(line, Needless, s.key(key), "docker_auth takes what is in %s", fileKey)
		}
		return true
	}
	if !inline {
		return false
	}
	path := "/etc/regate/" + d.key + ".secret"
	s.report.add(line, Open, s.key(key), "is not copied: put it into a file that only the gate can read, such as %s", path)
	d.body.line("%s: %s", fileKey, path)
	d.files = append(d.files, path)
	return true
}
