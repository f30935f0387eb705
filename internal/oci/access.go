package oci

import (
	"encoding/json"
	"strings"
)

// Actions is a set of what may be done with a resource.
type Actions uint8

// The actions that registries know (distribution docs/content/spec/auth/scope.md).
const (
	Pull Actions = 1 << iota
	Push
	Delete
	Any // "*", which satisfies every action
)

// All is every action on a repository that has a name of its own.
const All = Pull | Push | Delete

// actionNames has the actions in the order in which they are written: sorted
// by their bytes, so that equal sets are equal texts.
var actionNames = [...]struct {
	bit  Actions
	name string
}{{Any, "*"}, {Delete, "delete"}, {Pull, "pull"}, {Push, "push"}}

// ParseAction returns the action called name; ok is false if there is none.
func ParseAction(name string) (a Actions, ok bool) {
	for _, n := range actionNames {
		if n.name == name {
			return n.bit, true
		}
	}
	return 0, false
}

// Contains reports whether a holds all of b.
func (a Actions) Contains(b Actions) bool { return a&Any != 0 || a&b == b }

// Names lists the actions, sorted.
func (a Actions) Names() []string {
	names := make([]string, 0, len(actionNames))
	for _, n := range actionNames {
		if a&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// String is the form of a scope: "pull,push".
func (a Actions) String() string { return strings.Join(a.Names(), ",") }

// The resource types that a gate grants.
const (
	Repository = "repository"
	Registry   = "registry"
)

// CatalogName is the only name there is of type Registry.
const CatalogName = "catalog"

// An Access is what may be, or is to be, done with one resource.
type Access struct {
	Type    string // Repository or Registry
	Name    string
	Actions Actions
}

// CatalogAccess is what listing all repositories needs.
func CatalogAccess() Access { return Access{Registry, CatalogName, Any} }

// String is the access as a scope: "repository:team/app:pull,push".
func (a Access) String() string { return a.Type + ":" + a.Name + ":" + a.Actions.String() }

// accessClaim is an entry of a token's access claim
// (distribution docs/content/spec/auth/jwt.md).
type accessClaim struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// MarshalJSON writes an entry of a token's access claim.
func (a Access) MarshalJSON() ([]byte, error) {
	return json.Marshal(accessClaim{a.Type, a.Name, a.Actions.Names()})
}

// UnmarshalJSON reads an entry of a token's access claim. Actions that the
// gate does not know grant nothing.
func (a *Access) UnmarshalJSON(b []byte) error {
	var c accessClaim
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	*a = Access{Type: c.Type, Name: c.Name}
	for _, name := range c.Actions {
		act, _ := ParseAction(name)
		a.Actions |= act
	}
	return nil
}
