package cert

import (
	"fmt"
	"regexp"
	"strings"
)

// variable is what is replaced in a template. It is done once, so nothing in a
// value is ever taken for a variable.
var variable = regexp.MustCompile(`\$\{([^{}]*)\}`)

// checkTemplate has known say what is wrong with the variables of a template.
func checkTemplate(template string, known func(name string) error) error {
	for _, found := range variable.FindAllStringSubmatch(template, -1) {
		if err := known(found[1]); err != nil {
			return err
		}
	}
	if strings.Contains(variable.ReplaceAllString(template, ""), "${") {
		return fmt.Errorf("has a ${ without its }")
	}
	return nil
}

// expand puts values in the place of the variables of a template.
func expand(template string, value func(name string) string) string {
	if !strings.Contains(template, "${") {
		return template
	}
	return variable.ReplaceAllStringFunc(template, func(v string) string { return value(v[2 : len(v)-1]) })
}

// compile makes of a match with stars what finds the texts that they stand for.
func compile(match string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(match), `\*`, `([^/]+)`) + `\z`)
}
