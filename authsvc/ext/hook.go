package ext

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/internal/problem"
)

// A hook is asked over HTTP.
type hook struct {
	url    string
	token  authn.Secret
	client *http.Client
}

func newHook(cfg Backend) (*hook, error) {
	var l problem.List
	token, err := readToken(cfg.TokenFile)
	l.Under("token_file", err)
	config, err := cfg.TLS.load()
	l.Under("tls", err)
	if l.Err() != nil {
		return nil, l.Err()
	}
	transport := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    cfg.Timeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    cfg.Concurrency,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 16 << 10,
	}
	// Where a password is sent, nobody else decides: no proxy of the
	// environment, no redirect.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &hook{cfg.URL, token, &http.Client{Transport: transport, CheckRedirect: stay}}, nil
}

func readToken(file string) (authn.Secret, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	odd := func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII }
	if token == "" || strings.ContainsFunc(token, odd) {
		return "", fmt.Errorf("%s does not hold a token alone, in one line", file)
	}
	return authn.Secret(token), nil
}

func (h *hook) close() { h.client.CloseIdleConnections() }

// ask posts the question. Only 200 is an answer: a 401 of the hook is about the
// gate's own token, a 404 about its URL, and neither about the account.
func (h *hook) ask(ctx context.Context, q question) (answer, error) {
	req, err := h.request(ctx, q)
	if err != nil {
		return answer{}, err
	}
	res, err := h.client.Do(req)
	if err != nil {
		var at *url.Error // says the URL and the method, as we do
		if errors.As(err, &at) {
			err = at.Err
		}
		return answer{}, fmt.Errorf("%s: %w", h.url, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("%s: answers %d", h.url, res.StatusCode)
	}
	a, err := readAnswer(res.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", h.url, err)
	}
	return a, nil
}

func (h *hook) request(ctx context.Context, q question) (*http.Request, error) {
	body, err := json.Marshal(q.post)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "regate")
	// Has net/http ask again if the hook has closed an idle connection; is not sent.
	req.Header["Idempotency-Key"] = nil
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token.Reveal())
	}
	return req, nil
}

// readAnswer reads {"result": "allow", …}; the rest is the details.
func readAnswer(body io.Reader) (a answer, err error) {
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return a, err
	case len(text) > maxAnswer:
		return a, errLong
	}
	keys, err := decodeKeys(text)
	if err != nil {
		return a, err
	}
	if a.verdict, err = parseResult(keys["result"]); err != nil {
		return a, err
	}
	if delete(keys, "result"); len(keys) > 0 {
		a.details, err = json.Marshal(keys)
	}
	return a, err
}

func parseResult(text json.RawMessage) (verdict, error) {
	switch string(text) {
	case `"allow"`:
		return allow, nil
	case `"deny"`:
		return deny, nil
	case `"unknown"`:
		return unknown, nil
	}
	return deny, errors.New("the result is none of allow, deny and unknown")
}
