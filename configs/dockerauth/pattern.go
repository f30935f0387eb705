package dockerauth

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// fields are what a pattern may be about, apart from labels.
var fields = [...]string{"account", "type", "name", "service"}

// isRegex is docker_auth's rule: "//" is a glob.
func isRegex(s string) bool { return len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' }

// captureToken is what docker_auth takes for a group of another field's regex.
// It begins at the first "${" of several, so that a group behind another
// variable in the same pattern is none to it.
var captureToken = regexp.MustCompile(`\$\{(.+?):(\d+)\}`)

// captures returns the variables for groups that docker_auth finds in the
// fields of a rule, each with the spelling that the gate knows.
func captures(patterns map[string]string) map[string]string {
	live, count := make(map[string]string), make(map[string]int)
	for _, field := range fields {
		count[field] = groups(patterns[field])
	}
	for _, field := range fields {
		for _, m := range captureToken.FindAllStringSubmatch(patterns[field], -1) {
			of := m[1]
			if i := slices.Index([]string{"Account", "Type", "Name", "Service"}, of); i >= 0 {
				of = fields[i] // docker_auth looks for a field of its own
			}
			group, err := strconv.Atoi(m[2])
			if err == nil && group >= 1 && group <= count[of] {
				live[m[0]] = "${" + of + ":" + strconv.Itoa(group) + "}"
			}
		}
	}
	return live
}

// groups is how many groups a pattern has if it is a regex.
func groups(pattern string) int {
	if !isRegex(pattern) {
		return 0
	}
	re, err := regexp.Compile(pattern[1 : len(pattern)-1])
	if err != nil {
		return 0
	}
	return re.NumSubexp()
}

// A translation is a pattern in the words of the gate.
type translation struct {
	text     string
	unknown  []string // what looks like a variable and is none
	labels   []string // whose values it mentions
	captures bool     // whether it mentions groups
}

// translate writes a pattern of docker_auth's for the gate. What docker_auth
// knows no variable by stands for itself there, and is escaped here, where it
// would be a mistake.
func translate(pattern string, live map[string]string, labels bool) translation {
	var t translation
	var b strings.Builder
	for {
		i := strings.Index(pattern, "${")
		if i < 0 {
			t.text = b.String() + pattern
			return t
		}
		b.WriteString(pattern[:i])
		rest := pattern[i:]
		token, as := t.variable(rest, live, labels)
		if token == "" {
			t.unknown = append(t.unknown, upToBrace(rest))
			token, as = "${", `$\{`
		}
		b.WriteString(as)
		pattern = rest[len(token):]
	}
}

// variable returns the variable that text begins with, and what it is here;
// "" if there is none.
func (t *translation) variable(text string, live map[string]string, labels bool) (token, as string) {
	for _, field := range fields {
		if token = "${" + field + "}"; strings.HasPrefix(text, token) {
			return token, token
		}
	}
	if as, ok := live[upToBrace(text)]; ok {
		t.captures = true
		return upToBrace(text), as
	}
	if name, ok := strings.CutPrefix(upToBrace(text), "${labels:"); ok && labels && len(name) > 1 && strings.HasSuffix(name, "}") {
		t.labels = append(t.labels, strings.TrimSuffix(name, "}"))
		return "${labels:" + name, "${labels:" + name
	}
	return "", ""
}

func upToBrace(text string) string {
	if i := strings.IndexByte(text, '}'); i >= 0 {
		return text[:i+1]
	}
	return text
}

// never reports whether a glob is malformed whatever its variables are, so that
// docker_auth finds nothing that matches. Values of labels and of groups might
// mend it there.
func (t translation) never() bool {
	if isRegex(t.text) || len(t.labels) > 0 || t.captures {
		return false
	}
	text := t.text
	for _, field := range fields {
		text = strings.ReplaceAll(text, "${"+field+"}", "x")
	}
	_, err := path.Match(text, "")
	return err != nil
}

// empty reports whether nothing may be left of a regex, which matches
// everything here; docker_auth takes it for the glob "//" then.
func (t translation) empty() bool {
	if !isRegex(t.text) {
		return false
	}
	body := t.text[1 : len(t.text)-1]
	for strings.HasPrefix(body, "${") {
		body = body[len(upToBrace(body)):]
	}
	return body == ""
}

// wildcards reports whether a glob has a * that somebody may expect to match
// "/" as well.
func (t translation) wildcards() bool {
	return !isRegex(t.text) && strings.Contains(strings.ReplaceAll(t.text, `\*`, ""), "*")
}

// literal is the one text that a glob matches; ok is false if it may match
// others.
func (t translation) literal() (text string, ok bool) {
	if isRegex(t.text) || strings.ContainsAny(t.text, `*?[\`) || strings.Contains(t.text, "${") {
		return "", false
	}
	return t.text, true
}
