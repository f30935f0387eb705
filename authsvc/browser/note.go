package browser

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/edge"
)

// noteLogin writes what a login has brought: the labels, which rules go by, and
// when it ends if the provider cannot be asked. What was configured in vain is
// said once.
func (p *Pages) noteLogin(r *http.Request, m *People, person idp.Person) {
	fields := []zap.Field{
		zap.String("subject", person.Account), zap.String("method", m.Name()), zap.Stringer("client", edge.Client(r)),
		zap.Strings("labels", named(person.Labels)),
	}
	if l, err := m.read(r.Context(), person.Account); err == nil && l.Refresh == "" {
		fields = append(fields, zap.Time("ends", time.Unix(l.Since, 0).Add(m.method.Provider.Terms().MaxAge)))
		m.warnOnce("the provider gives no refresh token, so it is not asked about people for max_age" + m.hint("; see scopes and prompt"))
	}
	p.log.Info("logged in", fields...)
	for _, claim := range person.Missing {
		m.warnOnce("the provider sent no claim " + strconv.Quote(claim) + m.hint(": it may need a scope (auth.oidc_auth.scopes)"))
	}
}

// warnOnce tells the operator something about the provider.
func (p *People) warnOnce(message string) {
	if _, told := p.warned.LoadOrStore(message, nil); !told {
		p.log.Warn(message)
	}
}

// hint is text where there are such keys.
func (p *People) hint(text string) string {
	if !strings.HasPrefix(p.Name(), "oidc_auth") {
		return ""
	}
	return text
}

// Bounds of what is said of labels: some are in thousands of groups.
const (
	mostNamed = 20
	longNamed = 80 // bytes
)

// named are labels as people read them: teams=web.
func named(labels authn.Labels) (all []string) {
	n := 0
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		for _, l := range labels[name] {
			if n++; n <= mostNamed {
				all = append(all, printable(name+"="+l.Value, longNamed))
			}
		}
	}
	if n > mostNamed {
		all = append(all, "and "+strconv.Itoa(n-mostNamed)+" more")
	}
	return all
}

// Bounds of what is logged of the error of a provider.
const (
	maxCode        = 40
	maxDescription = 200
)

// printable is text without what cannot be seen, of at most so many bytes.
func printable(text string, most int) string {
	long := len(text) > most
	if long {
		text = text[:most]
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if long {
		text += "…"
	}
	return text
}
