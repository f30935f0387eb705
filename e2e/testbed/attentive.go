package testbed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// givenOut is a secret that a gate gives out: a refresh token, a personal token
// or that of a robot.
var givenOut = regexp.MustCompile(`rgt_[0-9A-Za-z]{14}_[0-9A-Za-z]{49}`)

// spelled are the names that secrets have in forms and in answers (RFC 6749 4.3,
// 5.1, 6).
var spelled = []string{"password", "refresh_token"}

// jwts are how tokens begin: with {"alg":, {"typ": or {"kid":. They are forbidden
// as they are; these are kept for what has them in base64 once more.
var jwts = []string{"eyJhbGciOi", "eyJ0eXAiOi", "eyJraWQiOi"}

// isJWT reports whether text is a token, and not only how one begins.
func isJWT(text string) bool { return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2 }

// An attentive transport keeps the secrets that it carries in either direction,
// and how gates refuse them. Tokens that are JWTs need not be kept: none may be
// printed, whoever it is of.
type attentive struct{ *http.Transport }

func (a attentive) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := keepShown(req); err != nil {
		return nil, err
	}
	res, err := a.Transport.RoundTrip(req)
	if err != nil || req.Method == http.MethodHead || res.StatusCode < 400 && !strings.HasPrefix(req.URL.Path, "/auth") {
		return res, err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	if res.StatusCode < 400 {
		keepGiven(text)
		return res, nil
	}
	run.hear(statement{where: req.URL.Host + " " + res.Status, text: fmt.Sprint(res.Header) + "\n" + string(text)})
	return res, nil
}

// keepShown keeps what a request shows of whoever sends it.
func keepShown(req *http.Request) error {
	if _, password, ok := req.BasicAuth(); ok {
		Secret(password)
	}
	if req.Body == nil || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return nil
	}
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(text))
	form, _ := url.ParseQuery(string(text)) // as far as it is one
	for _, name := range spelled {
		Secret(form[name]...)
	}
	return nil
}

// keepGiven keeps what an answer to a login gives out.
func keepGiven(text []byte) {
	var answer map[string]any
	if json.Unmarshal(text, &answer) != nil {
		return // a page
	}
	for _, name := range spelled {
		if secret, ok := answer[name].(string); ok {
			Secret(secret)
		}
	}
}

// printed is the file in the home of a client with all that it has printed.
const printed = "printed.log"

// search looks through the homes of clients in dir: what they have kept of their
// logins are secrets, and what they have printed are statements.
func (w *witness) search(dir string) {
	for _, place := range []string{"auth.json", "docker/config.json", "config/config.json"} {
		files, _ := filepath.Glob(filepath.Join(dir, "*", place)) // of a pattern that is right
		for _, file := range files {
			w.keepKept(file)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", printed))
	for _, file := range files {
		w.hear(statement{where: file, file: file})
	}
}

// keepKept keeps the secrets in the file of a client.
func (w *witness) keepKept(file string) {
	var config struct {
		Auths map[string]struct{ Auth, IdentityToken, RegistryToken string }
	}
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &config) != nil {
		return // it is something else
	}
	for _, login := range config.Auths {
		w.keep(login.Auth)
		w.keep(login.IdentityToken)
		w.keep(login.RegistryToken)
	}
}
