package trust

import (
	"strings"
	"testing"
)

var hostTests = []struct {
	arg      string
	want     string // as references have it
	wantName string
	wantErr  string
}{
	{arg: "https://registry.example.com", want: "registry.example.com", wantName: "registry.example.com"},
	{arg: "https://registry.example.com/", want: "registry.example.com", wantName: "registry.example.com"},
	{arg: "https://registry.example.com:443", want: "registry.example.com", wantName: "registry.example.com"},
	{arg: "HTTPS://Registry.Example.com:5000", want: "registry.example.com:5000", wantName: "registry.example.com"},
	{arg: "registry:5000", want: "registry:5000", wantName: "registry"},
	{arg: "xn--rgistre-byae.example", want: "xn--rgistre-byae.example", wantName: "xn--rgistre-byae.example"},
	{arg: "10.77.0.1", want: "10.77.0.1", wantName: "10.77.0.1"},
	{arg: "10.77.0.1:5000", want: "10.77.0.1:5000", wantName: "10.77.0.1"},
	{arg: "https://[fd00::1]", want: "[fd00::1]", wantName: "fd00::1"},
	{arg: "https://[FD00:0::1]:5000/", want: "[fd00::1]:5000", wantName: "fd00::1"},

	{arg: "", wantErr: "no part of a host name"},
	{arg: "http://registry.example.com", wantErr: "does not begin with https://"},
	{arg: "ftp://registry.example.com", wantErr: "does not begin with https://"},
	{arg: "https://", wantErr: "no part of a host name"},
	{arg: "https://a/../b", wantErr: "no part of a host name"},
	{arg: "https://a//", wantErr: "no part of a host name"},
	{arg: "https://a?x", wantErr: "no part of a host name"},
	{arg: "https://a#x", wantErr: "no part of a host name"},
	{arg: "https://user@a", wantErr: "no part of a host name"},
	{arg: "https://user:pass@a", wantErr: "no port"},
	{arg: "..", wantErr: "no part of a host name"},
	{arg: "-x", wantErr: "no part of a host name"},
	{arg: "a-", wantErr: "no part of a host name"},
	{arg: "*.example.com", wantErr: "no part of a host name"},
	{arg: "registry.example.com.", wantErr: "no part of a host name"},
	{arg: "régistre.example", wantErr: "no part of a host name"},
	{arg: "regıstry.example", wantErr: "no part of a host name"},
	{arg: "a\x1b[2J.example", wantErr: `\x1b[2J`},
	{arg: "a\n.example", wantErr: "no part of a host name"},
	{arg: "a b", wantErr: "no part of a host name"},
	{arg: `a"b`, wantErr: "no part of a host name"},
	{arg: "under_score", wantErr: "no part of a host name"},
	{arg: "1.2.3", wantErr: "no host name"},
	{arg: "1.2.3.400", wantErr: "no host name"},
	{arg: strings.Repeat("abcdefg.", 40) + "com", wantErr: "no host name"},
	{arg: strings.Repeat("a", 64), wantErr: "no part of a host name"},
	{arg: "a:", wantErr: "no port"},
	{arg: "a:0", wantErr: "no port"},
	{arg: "a:65536", wantErr: "no port"},
	{arg: "a:+80", wantErr: "no port"},
	{arg: "a:080", wantErr: "no port"},
	{arg: "fd00::1", wantErr: "no part of a host name"}, // which of the colons would be the port's?
	{arg: "[fd00::1", wantErr: "in the brackets"},
	{arg: "[fd00::1%eth0]", wantErr: "in the brackets"},
	{arg: "[10.0.0.1]", wantErr: "in the brackets"},
	{arg: "[::ffff:10.0.0.1]", wantErr: "in the brackets"},
	{arg: "[]", wantErr: "in the brackets"},
	{arg: "[fd00::1]5000", wantErr: "no port"},
}

func TestParseHost(t *testing.T) {
	t.Parallel()
	for _, tt := range hostTests {
		h, err := ParseHost(tt.arg)
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("ParseHost(%q) = %v, %v, want an error with %q", tt.arg, h, err, tt.wantErr)
			}
			continue
		}
		if err != nil || h.String() != tt.want || h.Name() != tt.wantName || h.URL() != "https://"+tt.want {
			t.Errorf("ParseHost(%q) = %v (%q), %v, want %q (%q)", tt.arg, h, h.Name(), err, tt.want, tt.wantName)
		}
	}
}

// FuzzParseHost: whatever is taken is one component of a path, needs no quoting
// in any file, and reads the same again.
func FuzzParseHost(f *testing.F) {
	for _, tt := range hostTests {
		f.Add(tt.arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		h, err := ParseHost(arg)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("ParseHost(%q): the error has control characters", arg)
			}
			return
		}
		if rest := strings.Trim(h.String(), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]"); rest != "" {
			t.Errorf("ParseHost(%q) = %q, which has %q", arg, h, rest)
		}
		if s := h.String(); s == "" || strings.HasPrefix(s, ".") || strings.HasPrefix(s, "-") || strings.Contains(s, "..") {
			t.Errorf("ParseHost(%q) = %q, which is no name of a directory", arg, h)
		}
		if strings.ContainsAny(h.file(), ":[]/") {
			t.Errorf("ParseHost(%q).file() = %q", arg, h.file())
		}
		if again, err := ParseHost(h.URL()); err != nil || again != h {
			t.Errorf("ParseHost(%q) = %v, and of its URL %v, %v", arg, h, again, err)
		}
	})
}

func TestReads(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]bool{"registry": false, "registry:5000": true, "a.b": true, "localhost": true, "[::1]": true} {
		h, err := ParseHost(arg)
		if err != nil || h.Reads() != want {
			t.Errorf("ParseHost(%q).Reads() = %v, %v, want %v", arg, h.Reads(), err, want)
		}
	}
}
