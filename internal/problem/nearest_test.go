package problem

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"addr", "addrs", "ca_certificate", "bind_dn", "bind_password_file", "base"}
	for word, want := range map[string]string{
		"ca_cert": "ca_certificate", "CACert": "ca_certificate", "ca": "", "bind_password": "bind_password_file",
		"bind": "", "bind-dn": "bind_dn", "adr": "addr", "": "", "certificate": "ca_certificate", "zebra": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
