package edge

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

var corsTests = []struct {
	name, method, origin, asks string
	wantStatus                 int
	wantOrigin                 string
	wantReached, wantMethods   bool
}{
	{"no browser", "GET", "", "", 200, "", true, false},
	{"its page", "GET", "https://ui.test", "", 200, "https://ui.test", true, false},
	{"another page", "GET", "https://evil.test", "", 200, "", true, false},
	{"no site at all", "GET", "null", "", 200, "", true, false},
	{"looks like it", "GET", "https://ui.test.evil.test", "", 200, "", true, false},
	{"another scheme", "GET", "http://ui.test", "", 200, "", true, false},
	{"preflight", "OPTIONS", "https://ui.test", "DELETE", 204, "https://ui.test", false, true},
	{"preflight of another page", "OPTIONS", "https://evil.test", "DELETE", 200, "", true, false},
	{"no preflight", "OPTIONS", "https://ui.test", "", 200, "https://ui.test", true, false},
}

func TestCORS(t *testing.T) {
	for _, tt := range corsTests {
		t.Run(tt.name, func(t *testing.T) {
			reached := false
			h := CORS([]string{"https://other.test", "https://ui.test"})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			r := httptest.NewRequest(tt.method, "/v2/", nil)
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if tt.asks != "" {
				r.Header.Set("Access-Control-Request-Method", tt.asks)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := w.Header()
			if w.Code != tt.wantStatus || reached != tt.wantReached || got.Get("Access-Control-Allow-Origin") != tt.wantOrigin {
				t.Errorf("%d, reached %v, for %q; want %d, %v, %q", w.Code, reached, got.Get("Access-Control-Allow-Origin"), tt.wantStatus, tt.wantReached, tt.wantOrigin)
			}
			if methods := got.Get("Access-Control-Allow-Methods"); (methods != "") != tt.wantMethods {
				t.Errorf("methods %q, want some: %v", methods, tt.wantMethods)
			}
			if may := got.Get("Access-Control-Allow-Credentials") == "true"; may != (tt.wantOrigin != "") {
				t.Errorf("credentials allowed: %v", may)
			}
			if got.Get("Vary") != "Origin" {
				t.Errorf("Vary is %q: a cache would give one page's answer to another", got.Get("Vary"))
			}
		})
	}
}

func TestCORSOfNobody(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/v2/", nil)
	r.Header.Set("Origin", "https://ui.test")
	CORS(nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	if len(w.Header()) > 0 {
		t.Errorf("without origins there is %v", w.Header())
	}
}

func TestCheckOrigin(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://ui.example.com":      true,
		"http://localhost:8080":       true,
		"https://[::1]:8443":          true,
		"*":                           false,
		"null":                        false,
		"":                            false,
		"ui.example.com":              false,
		"https://ui.example.com/":     false,
		"https://ui.example.com/v2":   false,
		"https://UI.example.com":      false,
		"https://*.example.com":       false,
		"https://ui.example.com:443":  false,
		"http://ui.example.com:80":    false,
		"https://user@ui.example.com": false,
		"ftp://ui.example.com":        false,
		"https://":                    false,
	} {
		if err := CheckOrigin(origin); (err == nil) != good {
			t.Errorf("CheckOrigin(%q) = %v", origin, err)
		}
	}
}
