package edge

import "testing"

var publicTests = []struct{ host, want string }{
	{"registry.example.com", "https://registry.example.com:8443"},
	{"Registry.example.com:443", "https://registry.example.com:8443"},
	{"pub.example.org:8443", "https://pub.example.org"},
	{"a.wild.example", "https://a.wild.example:8443"},
	{"10.0.0.7", "https://10.0.0.7:8443"},
	{"[::1]", "https://[::1]:8443"},
	{"[::ffff:10.0.0.7]", "https://[::ffff:10.0.0.7]:8443"},
	{"evil.example", ""},
	{"a/b.wild.example", ""},
	{"", ""},
}

func TestPublic(t *testing.T) {
	hosts, err := NewHosts(testHosts)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range publicTests {
		if got, ok := hosts.Public(tt.host); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Public(%q) = %q, %v; want %q", tt.host, got, ok, tt.want)
		}
	}
}
