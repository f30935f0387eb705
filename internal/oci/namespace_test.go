package oci

import (
	"strings"
	"testing"
)

func TestPublicNames(t *testing.T) {
	n := Namespace{Name: "localhost:5000", Prefix: "local"}
	if got, want := n.Audience("registry"), "registry/localhost:5000"; got != want {
		t.Errorf("Audience() = %s, want %s", got, want)
	}
	for _, tt := range []struct{ name, own, public string }{
		{"app", "app", "local/app"},
		{"team/app", "team/app", "local/team/app"},
		{"local/app", "app", "local/app"},
		{"local", "local", "local/local"},
		{"localhost/app", "localhost/app", "local/localhost/app"},
		{"team/local/app", "team/local/app", "local/team/local/app"},
		{"local/local/app", "local/app", "local/local/app"},
	} {
		if got := n.Own(tt.name); got != tt.own {
			t.Errorf("Own(%s) = %s, want %s", tt.name, got, tt.own)
		}
		if got := n.Public(tt.name); got != tt.public || n.Public(got) != got {
			t.Errorf("Public(%s) = %s, and again %s, want %s", tt.name, got, n.Public(got), tt.public)
		}
	}
}

func TestPublicNamesOfScopes(t *testing.T) {
	n := Namespace{Name: "docker.io", Prefix: "docker.io"}
	for _, tt := range []struct{ wanted, want string }{
		{"", ""},
		{"repository:library/alpine:pull", "repository:docker.io/library/alpine:pull"},
		{"repository:b:pull repository:docker.io/a:pull repository:a:push", "repository:docker.io/a:pull,push repository:docker.io/b:pull"},
		{"registry:catalog:* repository:a:pull", "registry:catalog:* repository:docker.io/a:pull"},
		{"repository:a:pull repository:" + strings.Repeat("x", 246) + ":pull", "repository:docker.io/a:pull"},
	} {
		wanted, err := ParseScope([]string{tt.wanted})
		if err != nil {
			t.Fatal(err)
		}
		before := wanted.String()
		if got := n.Scope(wanted).String(); got != tt.want {
			t.Errorf("Scope(%s) = %s, want %s", tt.wanted, got, tt.want)
		}
		if wanted.String() != before {
			t.Errorf("Scope has changed %s to %s", before, wanted)
		}
	}
}
