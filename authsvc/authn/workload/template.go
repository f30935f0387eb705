package workload

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/regate/regate/authsvc/idp"
)

// variable is what is replaced in a template. It is done once, so nothing in a
// value is ever taken for a variable.
var variable = regexp.MustCompile(`\$\{([^{}]*)\}`)

// A template is text with claims in it.
type template struct {
	text   string
	claims []string // each once, as they are written
}

// lower before the name of a claim puts it there in small letters: repositories
// of images have no others, those of code do.
const lower = "lower:"

// said are the values of a claim that a template mentions.
func said(claims idp.Claims, mention string) []string {
	name, small := strings.CutPrefix(mention, lower)
	values := valuesOf(claims, name)
	if small {
		for i, v := range values {
			values[i] = strings.ToLower(v)
		}
	}
	return values
}

func parseTemplate(text string) template {
	t := template{text: text}
	for _, found := range variable.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(t.claims, found[1]) {
			t.claims = append(t.claims, found[1])
		}
	}
	return t
}

// checkTemplate has known say what is wrong with the claims of a template.
func checkTemplate(text string, known func(name string) error) error {
	for _, mention := range parseTemplate(text).claims {
		if err := known(strings.TrimPrefix(mention, lower)); err != nil {
			return err
		}
	}
	if strings.Contains(variable.ReplaceAllString(text, ""), "${") {
		return fmt.Errorf("has a ${ without its }")
	}
	return nil
}

// expand puts values in the place of claims.
func (t template) expand(values map[string]string) string {
	if len(t.claims) == 0 {
		return t.text
	}
	return variable.ReplaceAllStringFunc(t.text, func(v string) string { return values[v[2:len(v)-1]] })
}

// could reports whether there are claims that make account of t. Text without
// any says itself what it is.
func (t template) could(account string) bool {
	if len(t.claims) == 0 {
		return false
	}
	fixed := variable.Split(t.text, -1)
	for i, part := range fixed {
		fixed[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(fixed, `.+`) + `\z`).MatchString(account)
}
