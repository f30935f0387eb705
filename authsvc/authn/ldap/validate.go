package ldap

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/internal/problem"
)

// Bounds of what can be configured.
const (
	mostConns = 256
	mostDepth = 64
	mostTime  = time.Minute
)

// Validate reports all mistakes. It opens nothing.
func (c Configs) Validate() error {
	var l problem.List
	for i, directory := range c {
		l.Under(c.path(i), directory.Validate())
		if directory.InitialBindAsUser && i < len(c)-1 {
			l.Warnf(problem.Join(c.path(i), "initial_bind_as_user"), "whoever is not in this directory has a wrong password there, and is not looked for in those after it: put it last")
		}
	}
	return l.Err()
}

// Validate reports all mistakes. It opens nothing.
func (c Config) Validate() error {
	var l problem.List
	c.checkServers(&l)
	c.checkBind(&l)
	checkDN(&l, "base", c.Base, true)
	c.checkNames(&l)
	c.checkLabels(&l)
	if c.Groups != nil {
		l.Under("groups", c.Groups.Validate())
	}
	checkTime(&l, "connect_timeout", c.ConnectTimeout)
	checkTime(&l, "timeout", c.Timeout)
	if c.PoolSize < 0 || c.PoolSize > mostConns {
		l.Addf("pool_size", "%d is not between 1 and %d", c.PoolSize, mostConns)
	}
	return l.Err()
}

// checkNames warns where the directory's own spelling of an account is not known.
func (c Config) checkNames(l *problem.List) {
	before := len(*l)
	checkFilter(l, "filter", c.Filter, "account")
	if len(*l) == before && len(accountAttributes(c.Filter)) == 0 {
		l.Warnf("filter", "compares no attribute with ${account} alone, so that ALICE and alice, whom the directory takes for one, are two accounts for rules: add one, as in (&(uid=${account})…)")
	}
}

func (c Config) checkBind(l *problem.List) {
	if !c.InitialBindAsUser {
		c.checkService(l)
		return
	}
	if c.BindPasswordFile != "" {
		l.Warnf("bind_password_file", "means nothing with initial_bind_as_user: each user shows their own password")
	}
	if !slices.Contains(variables(c.BindDN), "account") {
		l.Addf("bind_dn", "needs ${account} with initial_bind_as_user, such as uid=${account},ou=people,dc=example,dc=com or ${account}@example.com")
	}
	checkVariables(l, "bind_dn", c.BindDN, "account")
	if isDN(c.BindDN) {
		checkDN(l, "bind_dn", strings.ReplaceAll(c.BindDN, "${account}", "x"), true)
	}
}

func (c Config) checkService(l *problem.List) {
	switch {
	case strings.Contains(c.BindDN, "${"):
		l.Addf("bind_dn", "takes no variable without initial_bind_as_user")
	case c.BindDN != "" && c.BindPasswordFile == "":
		l.Addf("bind_password_file", "is missing beside bind_dn: without a password a directory lets in whoever asks, as nobody")
	case c.BindDN == "" && c.BindPasswordFile != "":
		l.Addf("bind_dn", "is missing beside bind_password_file")
	}
}

// checkDN looks at a DN; others than a base may also be names of another form,
// such as alice@example.com.
func checkDN(l *problem.List, path, dn string, required bool) {
	if dn == "" {
		if required {
			l.Addf(path, "is missing; it is a DN, such as dc=example,dc=com")
		}
		return
	}
	if _, err := ldap.ParseDN(dn); err != nil {
		l.Addf(path, "%q is not a DN, such as ou=people,dc=example,dc=com", dn)
	}
}

func (c Config) checkLabels(l *problem.List) {
	known := slices.Sorted(maps.Keys(c.Labels))
	for _, name := range known {
		path := problem.Key("labels", name)
		if name == "" {
			l.Addf(path, "a label needs a name")
		}
		checkAttribute(l, path+".attribute", c.Labels[name].Attribute)
	}
	if c.Groups != nil {
		known = append(known, c.Groups.withDefaults(c.Base).Label)
	}
	for i, name := range c.LabelPatterns {
		if !slices.Contains(known, name) {
			l.Addf("label_patterns["+strconv.Itoa(i)+"]", "%q is no label of this directory", name)
		}
	}
}

// attributeName is an attribute description (RFC 4512 2.5).
var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)(;[A-Za-z0-9-]+)*$`)

func checkAttribute(l *problem.List, path, name string) {
	switch {
	case name == "":
		l.Addf(path, "is missing; it is an attribute of the entry, such as memberOf")
	case !attributeName.MatchString(name):
		l.Addf(path, "%q is not the name of an attribute", name)
	}
}

func checkTime(l *problem.List, path string, long time.Duration) {
	if long < 0 || long > mostTime {
		l.Addf(path, "%v is not between 0 and %v", long, mostTime)
	}
}

// Validate reports all mistakes. It opens nothing.
func (g GroupsConfig) Validate() error {
	var l problem.List
	checkDN(&l, "base", g.Base, false)
	if g.Filter != "" {
		g.checkFilter(&l)
	}
	if g.Attribute != "" {
		checkAttribute(&l, "attribute", g.Attribute)
	}
	if g.Depth < 0 || g.Depth > mostDepth {
		l.Addf("depth", "%d is not between 1 and %d", g.Depth, mostDepth)
	}
	if g.Depth != 0 && g.Nested != NestedSearch {
		l.Addf("depth", "is for nested: true")
	}
	checkTime(&l, "timeout", g.Timeout)
	return l.Err()
}

func (g GroupsConfig) checkFilter(l *problem.List) {
	before := len(*l)
	checkFilter(l, "filter", g.Filter, "dn", "account")
	switch {
	case len(*l) > before:
	case g.Nested == NestedSearch && slices.Contains(variables(g.Filter), "account"):
		l.Addf("filter", "with nested: true members are known by ${dn} alone, as a group has no account")
	case g.Nested == NestedDirectory && !strings.Contains(g.Filter, inChain):
		l.Addf("filter", "with nested: ad it needs Active Directory's rule for chains, such as (member:%s:=${dn})", inChain)
	}
}
