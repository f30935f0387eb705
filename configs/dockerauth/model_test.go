package dockerauth

import (
	"errors"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v2" // docker_auth reads with it, so it is the judge of what a file says
)

// The model decides as docker_auth 1.14 does (docker-auth.md 1.5), one rule
// after the other and every pattern put together as text. It has the holes, so
// that a difference is one of the gate's.

type oldConfig struct {
	Users map[string]*oldUser `yaml:"users"`
	ACL   []oldRule           `yaml:"acl"`
}

type oldUser struct {
	Password *string             `yaml:"password"`
	Labels   map[string][]string `yaml:"labels"`
}

type oldRule struct {
	Match   *oldMatch `yaml:"match"`
	Actions *[]string `yaml:"actions"`
}

type oldMatch struct {
	Account *string           `yaml:"account"`
	Type    *string           `yaml:"type"`
	Name    *string           `yaml:"name"`
	IP      *string           `yaml:"ip"`
	Service *string           `yaml:"service"`
	Labels  map[string]string `yaml:"labels"`
}

// An oldAsk is a question, with the texts by the names of their variables.
type oldAsk struct {
	fields  map[string]string
	ip      net.IP
	labels  map[string][]string
	actions []string
}

var errNoStart = errors.New("docker_auth does not start with it")

// readOld returns errNoStart for what docker_auth refuses or dies of.
func readOld(source []byte) (oldConfig, error) {
	var c oldConfig
	if err := yaml.Unmarshal(source, &c); err != nil {
		return c, errNoStart
	}
	for _, r := range c.ACL {
		if r.Match == nil {
			return c, errNoStart
		}
		for _, p := range append(r.Match.patterns(), r.Match.labelPatterns()...) {
			if p != nil && oldRegex(*p) {
				if _, err := regexp.Compile((*p)[1 : len(*p)-1]); err != nil {
					return c, errNoStart
				}
			}
		}
		if r.Match.IP != nil && oldNetwork(*r.Match.IP) == nil {
			return c, errNoStart
		}
	}
	return c, nil
}

func (m *oldMatch) patterns() []*string { return []*string{m.Account, m.Type, m.Name, m.Service} }

func (m *oldMatch) labelPatterns() (all []*string) {
	for _, p := range m.Labels {
		all = append(all, &p)
	}
	return all
}

// decide returns the rule that applies, len(ACL) if none does, and what it
// grants.
func (c oldConfig) decide(a oldAsk) (rule int, granted []string) {
	for i, r := range c.ACL {
		switch {
		case !r.Match.matches(a):
		case r.Actions == nil:
			return i, nil // the request breaks off
		case slices.Equal(*r.Actions, []string{"*"}):
			return i, a.actions
		default:
			return i, slices.DeleteFunc(slices.Clone(a.actions), func(x string) bool { return !slices.Contains(*r.Actions, x) })
		}
	}
	return len(c.ACL), nil
}

func (m *oldMatch) matches(a oldAsk) bool {
	vars := m.variables(a)
	for i, p := range m.patterns() {
		if p != nil && !oldTryLabels(*p, a.fields[fields[i]], vars, a.labels) {
			return false
		}
	}
	for name, p := range m.Labels {
		if !slices.ContainsFunc(a.labels[name], func(v string) bool { return oldTry(p, v, vars) }) {
			return false
		}
	}
	return m.IP == nil || a.ip != nil && oldNetwork(*m.IP).Contains(a.ip)
}

var oldCapture = regexp.MustCompile(`\$\{(.+?):(\d+)\}`)

// variables are pairs for strings.NewReplacer: quoted fields, raw groups.
func (m *oldMatch) variables(a oldAsk) []string {
	var vars []string
	for _, f := range fields {
		vars = append(vars, "${"+f+"}", regexp.QuoteMeta(a.fields[f]))
	}
	byName := map[string]*string{"Account": m.Account, "Type": m.Type, "Name": m.Name, "Service": m.Service}
	for _, p := range m.patterns() {
		if p == nil {
			continue
		}
		for _, found := range oldCapture.FindAllStringSubmatch(*p, -1) {
			//lint:ignore SA1019 it is what docker_auth calls
			key := strings.Title(found[1])
			of := byName[key]
			if of == nil || len(*of) < 2 || (*of)[0] != '/' || (*of)[len(*of)-1] != '/' {
				continue
			}
			re, err := regexp.Compile((*of)[1 : len(*of)-1])
			if err != nil {
				continue
			}
			group, _ := strconv.Atoi(found[2])
			if text := re.FindStringSubmatch(a.fields[strings.ToLower(key)]); group >= 1 && group < len(text) {
				vars = append(vars, found[0], text[group])
			}
		}
	}
	return vars
}

// oldTryLabels puts each combination of label values into the pattern as it
// is. Labels that somebody does not have stay what they are.
func oldTryLabels(p, s string, vars []string, labels map[string][]string) bool {
	if oldTry(p, s, vars) {
		return true
	}
	combinations := [][]string{nil}
	found := false
	for name, values := range labels {
		if token := "${labels:" + name + "}"; strings.Contains(p, token) {
			found = true
			var more [][]string
			for _, c := range combinations {
				for _, v := range values {
					more = append(more, append(slices.Clone(c), token, v))
				}
			}
			combinations = more
		}
	}
	return found && slices.ContainsFunc(combinations, func(c []string) bool { return oldTry(p, s, append(slices.Clone(vars), c...)) })
}

func oldRegex(p string) bool { return len(p) > 2 && p[0] == '/' && p[len(p)-1] == '/' }

func oldTry(p, s string, vars []string) bool {
	p = strings.NewReplacer(vars...).Replace(p)
	if oldRegex(p) {
		ok, err := regexp.MatchString(p[1:len(p)-1], s)
		return ok && err == nil
	}
	ok, err := path.Match(p, s)
	return ok && err == nil
}

func oldNetwork(s string) *net.IPNet {
	if ip := net.ParseIP(s); ip != nil {
		bits := 128
		if ip.To4() != nil {
			bits = 32
		}
		return &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}
	}
	_, n, _ := net.ParseCIDR(s)
	return n
}
