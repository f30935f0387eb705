package main

import (
	"io"
	"net"
	"path/filepath"
	"slices"
	"text/template"

	"github.com/regate/regate/acme"
	"github.com/regate/regate/cmd/internal/gate"
)

// welcome prints what to do next.
func (h home) welcome(w io.Writer, f gate.Facts, password string) {
	_, port, _ := net.SplitHostPort(f.Addrs["https"])
	v := struct {
		Host, Password, CA, Fingerprint, Certs, Config string
		Waiting                                        []acme.Status
	}{
		Host: "localhost:" + port, Password: password,
		CA: f.CAFile, Fingerprint: f.CAFingerprint, Certs: filepath.Dir(f.CAFile), Config: h.config(), Waiting: slices.DeleteFunc(slices.Clone(f.Hosts), func(s acme.Status) bool { return !s.Pending }),
	}
	_ = next.Execute(w, v) // a terminal that has gone needs no telling
}

var next = template.Must(template.New("next").Parse(`
  regate is ready on https://{{.Host}}

    user      admin
    password  {{if .Password}}{{.Password}}   (shown this once){{else}}the one that the first start printed; for another one see {{.Config}}{{end}}
    CA        {{.CA}}
              {{.Fingerprint}}
{{- range .Waiting}}

    {{.Host}} has no certificate yet{{with .Trouble.Reason}} ({{.}}){{end}}{{with .Trouble.Advice}}
    {{.}}{{end}}
{{- end}}

  docker (which does not check certificates on localhost):

    docker login -u admin {{.Host}}
    docker tag IMAGE {{.Host}}/try/image:1 && docker push {{.Host}}/try/image:1
    docker pull {{.Host}}/try/image:1

  podman (which takes docker's login, where there is one; else):

    podman login --cert-dir {{.Certs}} -u admin {{.Host}}
    podman push --cert-dir {{.Certs}} IMAGE {{.Host}}/try/image:1
    podman pull --cert-dir {{.Certs}} {{.Host}}/try/image:1

`))
