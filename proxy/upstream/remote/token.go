package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/regate/regate/internal/oci"
)

const (
	fetchTime    = 20 * time.Second
	mostReply    = 64 << 10         // bytes
	mostToken    = 16 << 10         // bytes
	defaultLife  = 60 * time.Second // distribution docs/content/spec/auth/token.md
	longestLife  = time.Hour
	marginOfLife = 10 // a token is shown for all but one part in so many of its life
)

// token returns a token to pull from repo that is not stale. Those who ask at
// once share one.
func (r *Remote) token(ctx context.Context, c challenge, repo, stale string) (string, error) {
	if token, ok := r.tokens.Get(repo); ok && token != stale {
		return token, nil
	}
	return r.flights.Do(ctx, repo, func(ctx context.Context) (string, error) {
		if token, ok := r.tokens.Get(repo); ok && token != stale { // another flight landed since we looked
			return token, nil
		}
		if err := r.barred(); err != nil {
			return "", err
		}
		got, err := r.fetch(ctx, c, repo)
		if err != nil {
			return "", err
		}
		r.tokens.SetUntil(repo, got.text, r.deps.Now().Add(got.life))
		return got.text, nil
	})
}

// A reply is what a token server gives.
type reply struct {
	text string
	life time.Duration // that it may be shown for; 0 is once
}

// fetch asks for a token for one repository: ghcr.io gives none for two
// (protocol.md 5.2).
func (r *Remote) fetch(ctx context.Context, c challenge, repo string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	res, err := r.sendFor(r.request(c, repo).WithContext(ctx))
	if err != nil {
		return reply{}, r.noToken(err)
	}
	defer drain(res)
	if res.StatusCode == http.StatusUnauthorized && r.cfg.Username != "" {
		return reply{}, r.doubt(r.request(c, "").WithContext(ctx), said(res))
	}
	if err := r.status(res); err != nil {
		return reply{}, err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, mostReply+1))
	if err != nil {
		return reply{}, r.noToken(err)
	}
	got, err := decode(text)
	if err != nil {
		return reply{}, r.badToken(err)
	}
	return got, nil
}

// request builds the request for a token; for no repository, it is what shows
// whether the account is known.
func (r *Remote) request(c challenge, repo string) *http.Request {
	u := *c.realm
	q := u.Query() // what is there already belongs to the realm
	if c.service != "" {
		q.Set("service", c.service)
	}
	q.Del("scope")
	if repo != "" {
		q.Set("scope", "repository:"+repo+":pull")
	}
	h := http.Header{"Accept": {"application/json"}, "User-Agent": {"regate"}}
	if r.cfg.Username != "" {
		q.Set("account", r.cfg.Username)
		h["Authorization"] = []string{r.basic()}
	}
	u.RawQuery, u.Fragment = q.Encode(), ""
	return &http.Request{Method: http.MethodGet, URL: &u, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

func (r *Remote) sendFor(out *http.Request) (*http.Response, error) {
	if sameOrigin(out.URL, r.cfg.Origin) {
		return r.deps.Own(out)
	}
	return r.deps.Others.RoundTrip(out)
}

func said(res *http.Response) error { return fmt.Errorf("the token server answered %s", res.Status) }

// status tells the answers apart that are no token.
func (r *Remote) status(res *http.Response) error {
	status := said(res)
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusTooManyRequests:
		r.budget.exhaust(manifests, res.Header)
		return r.limited(res, others)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound:
		return r.hidden(others, status)
	case code >= http.StatusInternalServerError:
		return r.noToken(status)
	}
	return r.badToken(status) // redirects, too: who knows where they lead
}

func (r *Remote) noToken(why error) error {
	return r.refused(NoToken, oci.Errorf(oci.Unreachable, "the token server of %s is unreachable", r.cfg.Name).Because(why))
}

func (r *Remote) badToken(why error) error {
	return r.refused(BadToken, oci.Errorf(oci.BadGateway, "bad answer of the token server of %s", r.cfg.Name).Because(why))
}

// decode reads the answer of a token server. Its text is in no error.
func decode(text []byte) (reply, error) {
	var body struct {
		Token       string          `json:"token"`
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if len(text) > mostReply {
		return reply{}, errors.New("its answer is larger than 64 KiB")
	}
	if json.Unmarshal(text, &body) != nil {
		return reply{}, errors.New("its answer is no JSON of a token")
	}
	token := body.Token
	if token == "" {
		token = body.AccessToken
	}
	switch {
	case token == "":
		return reply{}, errors.New("its answer has no token")
	case len(token) > mostToken:
		return reply{}, errors.New("its token is larger than 16 KiB")
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return reply{}, errors.New("its token holds what no header may")
	}
	return reply{token, life(body.ExpiresIn)}, nil
}

// life is how long a token may be shown. One that says no time that can be
// understood has the time that the specification gives it; one that is over is
// good for what it was asked for, at most.
func life(expiresIn json.RawMessage) time.Duration {
	lives := defaultLife
	var seconds float64
	if expiresIn != nil && json.Unmarshal(expiresIn, &seconds) == nil && string(expiresIn) != "null" {
		lives = time.Duration(min(max(seconds, 0), longestLife.Seconds()) * float64(time.Second))
	}
	return lives - lives/marginOfLife
}
