package workload

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/regate/regate/internal/problem"
)

// A lasting claim is one whose value never becomes somebody else's; a name can,
// once it is free. A claim for many says which program runs, and not for whom.
type kind int

const (
	lasting kind = iota
	name
	forMany
)

// An owner is a claim by which an issuer says whose a workload is. The pinned
// part is what a pattern must have without a star at its beginning; nil is all
// of it.
type owner struct {
	kind   kind
	pinned *regexp.Regexp
}

var (
	// ofPath is the first part of a path.
	ofPath = regexp.MustCompile(`^[^/:*]+/`)
	// ofFile is GitLab's: a path after the host.
	ofFile = regexp.MustCompile(`^[^/:*]+/[^/:*]+/`)
	// ofSub are the forms that sub has at GitHub (the ids after @ are in those of
	// repositories made since July 2026), at GitLab and in Kubernetes.
	ofSub = regexp.MustCompile(`^(?:repo:[^/:*]+/|project_path:[^/:*]+/|system:serviceaccount:[^/:*]+:)`)
	// ofID is a sub of GitHub with the id of the owner, or one of Kubernetes, whose
	// issuer says so only of accounts that are there.
	ofID = regexp.MustCompile(`^(?:repo:[^/:*]+@[0-9]+/|system:serviceaccount:)`)
)

// owners are the claims that say whose a workload is.
var owners = map[string]owner{
	// GitHub Actions
	"repository_id":       {kind: lasting},
	"repository_owner_id": {kind: lasting},
	"enterprise_id":       {kind: lasting},
	"repository_owner":    {kind: name},
	"repository":          {name, ofPath},
	"workflow_ref":        {name, ofPath},
	"job_workflow_ref":    {forMany, ofPath},
	// GitLab
	"project_id":        {kind: lasting},
	"namespace_id":      {kind: lasting},
	"project_path":      {name, ofPath},
	"namespace_path":    {name, ofPath},
	"ci_config_ref_uri": {forMany, ofFile},
	// Kubernetes
	"kubernetes.io.namespace":          {kind: lasting},
	"kubernetes.io.serviceaccount.uid": {kind: lasting},
	// anybody
	"sub": {name, ofSub},
	"azp": {kind: lasting},
}

// checkOwner has a rule pin the owner: else it would be for everybody who can
// have a token of the issuer, which is the whole world at GitHub.
func (c IssuerConfig) checkOwner(r Rule) error {
	var l problem.List
	best, by := forMany+1, ""
	for _, claim := range slices.Sorted(maps.Keys(r.Claims)) {
		if k, ok := c.pins(claim, string(r.Claims[claim])); ok && k < best {
			best, by = k, claim
		}
	}
	path := problem.Key("claims", by)
	switch best {
	case name:
		l.Warnf(path, "is a name, which somebody else may have once it is free: pin an id as well (%s)", idsFor(by))
	case forMany:
		l.Warnf(path, "says what runs, and not for whom: pin an owner as well (%s), if others can use this file", idsFor(by))
	case lasting:
	default:
		l.Addf("claims", "pin no owner, so that the rule would be for everybody who can have a token there: add %s", c.suggestion())
	}
	return l.Err()
}

// pins reports whether the pattern of a claim says whose a workload must be.
func (c IssuerConfig) pins(claim, pattern string) (kind, bool) {
	literal, _, open := strings.Cut(pattern, star)
	if slices.Contains(c.OwnerClaims, claim) {
		return lasting, literal != ""
	}
	o, known := owners[claim]
	switch {
	case !known || literal == "" || open && (o.pinned == nil || !o.pinned.MatchString(literal)):
		return 0, false
	case claim == "sub" && (!ofSub.MatchString(pattern) || ofID.MatchString(pattern)): // another issuer's, or with an id
		return lasting, true
	}
	return o.kind, true
}

func idsFor(claim string) string {
	switch claim {
	case "project_path", "namespace_path", "ci_config_ref_uri":
		return "project_id or namespace_id"
	}
	return "repository_id or repository_owner_id at GitHub, project_id or namespace_id at GitLab"
}

// suggestion says what would pin the owner at this issuer.
func (c IssuerConfig) suggestion() string {
	switch {
	case strings.HasPrefix(c.Issuer, "https://token.actions.githubusercontent.com") || strings.HasSuffix(c.Issuer, "/_services/token"):
		return `repository_owner_id: "…" (a number: gh api users/OWNER --jq .id), or repository_id`
	case strings.Contains(c.Issuer, "gitlab"):
		return `project_id: "…" (a number, on the project's page), or namespace_id`
	case strings.Contains(c.Issuer, "kubernetes") || strings.Contains(c.Issuer, "cluster"):
		return "sub: system:serviceaccount:NAMESPACE:NAME"
	}
	return "sub, azp, repository_owner_id (GitHub), project_id (GitLab), with a value that does not begin with a star, or name the issuer's own with owner_claims"
}
