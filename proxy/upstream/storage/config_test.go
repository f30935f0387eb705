package storage

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var validateTests = []struct {
	name   string
	c      Config
	always bool
	want   []string // what each problem begins with
}{
	{"nothing", Config{}, false, nil},
	{"pass", Config{Mode: Pass}, false, nil},
	{"follow", Config{Mode: Follow, Hosts: []string{"s3.example.com", "*.s3.example.com", "minio:9000", "http://10.0.0.5:9000", "[::1]:9000", "::1"}}, false, []string{"hosts[5]: "}},
	{"but for some", Config{Mode: Follow, Except: []string{"10.0.0.0/8", "192.0.2.1", "fd00::/8"}, Hosts: []string{"a"}}, false, nil},
	{"for some", Config{Except: []string{"0.0.0.0/0"}, Hosts: []string{"a"}}, false, nil},
	{"other mode", Config{Mode: "stream"}, false, []string{`mode: "stream" is neither`}},
	{"nowhere to follow", Config{Mode: Follow}, false, []string{"hosts: is missing"}},
	{"nowhere to follow for some", Config{Except: []string{"::/0"}}, false, []string{"hosts: is missing"}},
	{"nobody follows", Config{Hosts: []string{"a"}}, false, []string{"hosts: has no meaning"}},
	{"no network", Config{Mode: Follow, Except: []string{"10.0.0.0/33", "here", ""}, Hosts: []string{"a"}}, false, []string{"except[0]: ", "except[1]: ", "except[2]: "}},
	{"no hosts", Config{Mode: Follow, Hosts: []string{"", "*", "*.", "a/b", "https://a", "u@a", "a:0", "a:x", "a:", "a..b/", "*.10.0.0.1", "*.*.a", "a b", ".a", "a?b", "http://"}}, false,
		[]string{"hosts[0]", "hosts[1]", "hosts[2]", "hosts[3]", "hosts[4]", "hosts[5]", "hosts[6]", "hosts[7]", "hosts[8]", "hosts[9]", "hosts[10]", "hosts[11]", "hosts[12]", "hosts[13]", "hosts[14]", "hosts[15]"}},
	{"mirror", Config{}, true, nil},
	{"mirror with hosts", Config{Mode: Follow, Hosts: []string{"http://10.0.0.5"}}, true, nil},
	{"mirror that passes", Config{Mode: Pass}, true, []string{"mode: redirects of a mirror are always followed"}},
	{"mirror that passes for some", Config{Except: []string{"::/0"}}, true, []string{"mode: "}},
}

func TestValidate(t *testing.T) {
	for _, tt := range validateTests {
		var got []string
		if err := tt.c.Validate(tt.always); err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.name, got, tt.want)
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: problem %q, want %q", tt.name, got[i], want)
			}
		}
	}
}

func TestFollows(t *testing.T) {
	in, out := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.1")
	mapped := netip.MustParseAddr("::ffff:10.1.2.3")
	for _, tt := range []struct {
		name   string
		c      Config
		always bool
		want   [3]bool
	}{
		{"pass", Config{}, false, [3]bool{}},
		{"follow", Config{Mode: Follow}, false, [3]bool{true, true, true}},
		{"follow but inside", Config{Mode: Follow, Except: []string{"10.0.0.0/8"}}, false, [3]bool{false, true, false}},
		{"follow inside", Config{Except: []string{"10.1.2.99/24"}}, false, [3]bool{true, false, true}},
		{"one address", Config{Except: []string{"10.1.2.3"}}, false, [3]bool{true, false, true}},
		{"always", Config{}, true, [3]bool{true, true, true}},
	} {
		s, err := New(tt.c, Options{Always: tt.always})
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]bool{s.Follows(in), s.Follows(out), s.Follows(mapped)}; got != tt.want {
			t.Errorf("%s: follows for %v, %v and %v: %v, want %v", tt.name, in, out, mapped, got, tt.want)
		}
	}
}

var hostTests = []struct {
	host, url string
	want      bool
}{
	{"s3.example.com", "https://s3.example.com/b", true},
	{"s3.example.com", "https://S3.Example.COM:443/b", true},
	{"s3.example.com", "https://s3.example.com./b", true},
	{"s3.example.com", "http://s3.example.com/b", false},
	{"s3.example.com", "http://s3.example.com:443/b", false},
	{"s3.example.com", "https://s3.example.com:444/b", false},
	{"s3.example.com", "https://s3.example.com.evil.example/b", false},
	{"s3.example.com", "https://b.s3.example.com/", false},
	{"*.example.com", "https://a.example.com/", true},
	{"*.example.com", "https://a.b.example.com/", true},
	{"*.example.com", "https://example.com/", false},
	{"*.example.com", "https://evilexample.com/", false},
	{"*.example.com:9000", "https://a.example.com:9000/", true},
	{"*.example.com:9000", "https://a.example.com/", false},
	{"http://minio:9000", "http://minio:9000/", true},
	{"http://minio:9000", "https://minio:9000/", false},
	{"http://minio", "http://minio/", true},
	{"[::1]:9000", "https://[::1]:9000/", true},
	{"10.0.0.5", "https://10.0.0.5/", true},
	{"10.0.0.5", "https://0xa000005/", false},
}

func TestHosts(t *testing.T) {
	for _, tt := range hostTests {
		h, ok := parseHost(tt.host)
		u, err := url.Parse(tt.url)
		if !ok || err != nil {
			t.Fatalf("%s, %s: %v, %v", tt.host, tt.url, ok, err)
		}
		if got := h.has(u); got != tt.want {
			t.Errorf("%s has %s: %v, want %v", tt.host, tt.url, got, tt.want)
		}
	}
}

func TestCA(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := New(Config{TLS: TLS{file}}, Options{}); err == nil || !strings.HasPrefix(err.Error(), "tls.ca: ") {
		t.Errorf("New() without the file: %v", err)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{TLS: TLS{file}}, Options{}); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("New() with another file: %v", err)
	}
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "52.216.1.1": true, "2606:4700::1111": true, "100.63.255.255": true, "172.32.0.1": true, "::ffff:1.1.1.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"0.0.0.0": false, "0.1.2.3": false, "100.64.0.1": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:db8::1": false,
		"64:ff9b:1::a00:1": false, "::ffff:0:a00:1": false, "0:0:1::a00:1": false, "100::1": false, "fec0::1": false, "5f00::1": false, "4000::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("public(%s) = %v", text, got)
		}
	}
}
