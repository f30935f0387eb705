package workload

import (
	"regexp"
	"strings"

	"github.com/regate/regate/authsvc/idp"
)

// maxPattern is how long the pattern of a claim can be, in bytes.
const maxPattern = 1024

// A condition is a claim, and what it must be.
type condition struct {
	claim   string
	literal string
	pattern *regexp.Regexp // nil is literal
}

func compile(claim, pattern string) condition {
	if !strings.Contains(pattern, star) {
		return condition{claim: claim, literal: pattern}
	}
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^/:]+`)
	return condition{claim: claim, pattern: regexp.MustCompile(`(?s)\A` + quoted + `\z`)}
}

// holds reports whether one of the values of the claim is what it must be.
func (c condition) holds(claims idp.Claims) bool {
	for _, value := range valuesOf(claims, c.claim) {
		if c.pattern == nil && value == c.literal || c.pattern != nil && c.pattern.MatchString(value) {
			return true
		}
	}
	return false
}

// valuesOf are those of a claim that is text, or a list of it. If the name means
// several of the claims, it means none.
func valuesOf(claims idp.Claims, name string) []string {
	found := lookUp(claims, name)
	if len(found) != 1 {
		return nil
	}
	switch v := found[0].(type) {
	case string:
		return []string{v}
	case []any:
		all := make([]string, 0, len(v))
		for _, one := range v {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

// lookUp finds a claim by its name as it stands, and by parts of it, at its
// dots, in one another: names of claims may have dots themselves.
func lookUp(claims idp.Claims, name string) (found []any) {
	if v, ok := claims[name]; ok {
		found = append(found, v)
	}
	for i := range name {
		if name[i] != '.' {
			continue
		}
		if below, ok := claims[name[:i]].(idp.Claims); ok {
			found = append(found, lookUp(below, name[i+1:])...)
		}
	}
	return found
}
