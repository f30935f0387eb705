//go:build bench

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A report is the table that grows while the parts run.
type report struct {
	compared, alone []string
}

// ratio adds what a unit of work cost the gate and its peers. nginx is the
// better one of its two.
func (p *report) ratio(what, unit string, costs map[string]time.Duration, most float64) {
	gate, nginx, haproxy := costs["regate"], costs["nginx, buffering off"], costs["HAProxy"]
	both := in(unit, nginx)
	if on, ok := costs["nginx, buffering on"]; ok {
		both += " / " + in(unit, on)
		nginx = min(nginx, on)
	}
	times := float64(gate) / float64(nginx)
	p.compared = append(p.compared, fmt.Sprintf("| %s | %s | %s | %s | **%.2f** × nginx, %.2f × HAProxy | ≤ %v × nginx%s |",
		what, in(unit, gate), both, in(unit, haproxy), times, float64(gate)/float64(haproxy), most, missed(times <= most)))
}

// row adds a number that stands alone.
func (p *report) row(what, value, limit string, met bool) {
	p.alone = append(p.alone, fmt.Sprintf("| %s | %s | %s%s |", what, value, limit, missed(met)))
}

func missed(met bool) string {
	if met {
		return ""
	}
	return " (missed)"
}

func in(unit string, d time.Duration) string {
	if unit == "s" {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return micro(d)
}

// String is the report as markdown.
func (p *report) String() string {
	var s strings.Builder
	s.WriteString("\n| CPU time | regate | nginx (buffering off / on) | HAProxy | ratio | wanted |\n|---|---|---|---|---|---|\n")
	for _, line := range p.compared {
		fmt.Fprintln(&s, line)
	}
	s.WriteString("\n| regate alone | measured | wanted |\n|---|---|---|\n")
	for _, line := range p.alone {
		fmt.Fprintln(&s, line)
	}
	fmt.Fprintf(&s, "\n%s\n\n", machine())
	return s.String()
}

// machine is what it was measured on.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%s, %d of its cores, Linux %s, %s, nginx %s, HAProxy %s; load %s",
		field("/proc/cpuinfo", "model name"), runtime.NumCPU(), first("/proc/sys/kernel/osrelease"), runtime.Version(),
		version("nginx", "-v"), version("haproxy", "-v"), strings.Join(strings.Fields(string(load))[:1], ""))
}

func field(file, name string) string {
	text, _ := os.ReadFile(file)
	_, after, _ := strings.Cut(string(text), name)
	line, _, _ := strings.Cut(after, "\n")
	return strings.Trim(line, "\t :")
}

func first(file string) string {
	text, _ := os.ReadFile(file)
	return strings.TrimSpace(string(text))
}

// version is the first word with a digit of what a program says of itself.
func version(program, flag string) string {
	out, _ := exec.Command("/usr/sbin/"+program, flag).CombinedOutput()
	for _, word := range strings.FieldsFunc(string(out), func(r rune) bool { return r == ' ' || r == '/' || r == '\n' }) {
		if word[0] >= '0' && word[0] <= '9' {
			return word
		}
	}
	return "?"
}
