//go:build bench

package bench

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// A peer is what people put in front of a registry today.
type peer struct{ cert, key, upstream string }

// suite is what the gate and the client agree on, on a processor with AES.
const suite = "TLS_AES_128_GCM_SHA256"

// nginx is Debian's, set up for a registry: bodies of any size, not kept on
// disk before they are sent on, and connections to the registry that are used
// again. Whether buffering answers costs more or less depends on what they are,
// hence both.
func (p peer) nginx(t *testing.T, buffering string) *server {
	dir, port := testbed.Dir(t), testbed.Port()
	config := fmt.Sprintf(`
daemon off;
user root;
worker_processes auto;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 8192; }
http {
	access_log %[1]s/access.log;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000;
	upstream registry { server %[2]s; keepalive 64; keepalive_requests 1000000; }
	server {
		listen %[3]s:%[4]d ssl;
		server_name %[3]s;
		ssl_certificate %[5]s; ssl_certificate_key %[6]s;
		ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites %[7]s;
		client_max_body_size 0;
		client_body_buffer_size 256k;
		location / {
			proxy_pass http://registry;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-Proto https;
			proxy_request_buffering off;
			proxy_buffering %[8]s;
			proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
			proxy_max_temp_file_size 0;
		}
	}
}
`, dir, p.upstream, testbed.Host, port, p.cert, p.key, suite, buffering)
	file := save(t, dir, "nginx.conf", config)
	process := testbed.Start(t, testbed.Command{Program: "nginx", Args: []string{"-c", file, "-p", dir}, Dir: dir})
	return started(t, &server{name: "nginx, buffering " + buffering, host: host(port), pid: process.Pid()}, process)
}

// haproxy is Debian's with its defaults, but for connections to the registry
// that are used again by everybody.
func (p peer) haproxy(t *testing.T) *server { return p.haproxyFor(t, 8192) }

// haproxyFor is one that takes so many connections, even where there are not
// twice as many file descriptors.
func (p peer) haproxyFor(t *testing.T, connections int) *server {
	dir, port := testbed.Dir(t), testbed.Port()
	both := ""
	for _, file := range []string{p.cert, p.key} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		both += string(text)
	}
	pem := save(t, dir, "server.pem", both)
	config := fmt.Sprintf(`
global
	maxconn %d
	no strict-limits
	log stdout format raw local0 info
defaults
	mode http
	log global
	option httplog
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend gate
	bind %s:%d ssl crt %s alpn http/1.1 ssl-min-ver TLSv1.3 ciphersuites %s
	http-request set-header X-Forwarded-Proto https
	default_backend registry
backend registry
	http-reuse always
	server one %s
`, connections, testbed.Host, port, pem, suite, p.upstream)
	file := save(t, dir, "haproxy.cfg", config)
	process := testbed.Start(t, testbed.Command{Program: "haproxy", Args: []string{"-f", file, "-db"}, Dir: dir})
	return started(t, &server{name: "HAProxy", host: host(port), pid: process.Pid()}, process)
}

func host(port int) string { return fmt.Sprintf("%s:%d", testbed.Host, port) }

// started waits until the server takes connections.
func started(t *testing.T, s *server, p *testbed.Process) *server {
	p.Await(t, func() error {
		c, err := net.Dial("tcp", s.host)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	return s
}

func save(t *testing.T, dir, name, text string) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
