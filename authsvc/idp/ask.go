package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/regate/regate/authsvc/authn"
)

// A reply is a whole answer.
type reply struct {
	host   string
	status int
	header http.Header
	body   []byte
}

// get asks for what is at address, with an access token unless it is "".
func get(ctx context.Context, client *http.Client, address string, token authn.Secret) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return reply{}, errors.New("the provider names an address that is none")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, discreet(unanswered(req.URL.Host, err), token.Reveal())
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}, discreet(unanswered(req.URL.Host, err), token.Reveal())
	}
	return reply{req.URL.Host, res.StatusCode, res.Header, body}, nil
}

// unanswered says that host gave no answer, and why. The URL is left out: the
// host says enough.
func unanswered(host string, err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return untrusted(fmt.Errorf("%s: %w", host, err))
}

// decode reads the JSON of an answer with status 200 into v.
func (r reply) decode(v any) error {
	if r.status != http.StatusOK {
		return &statusError{r.host, r.status}
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return fmt.Errorf("%s: the answer is not the JSON that it should be", r.host) // what is there stays there
	}
	return nil
}

// getJSON asks for what is at address and reads it into v.
func getJSON(ctx context.Context, client *http.Client, address string, v any) error {
	return askJSON(ctx, client, question{address, ""}, v)
}

// A question is what is asked for, with a token unless it is "".
type question struct {
	address string
	token   authn.Secret
}

// askJSON asks a question and reads the answer into v.
func askJSON(ctx context.Context, client *http.Client, q question, v any) error {
	r, err := get(ctx, client, q.address, q.token)
	if err != nil {
		return err
	}
	return r.decode(v)
}

// A statusError is an answer that is not the one hoped for. What the provider
// says beside the status is not repeated: nobody knows what is in it.
type statusError struct {
	host   string
	status int
}

func (e *statusError) Error() string { return fmt.Sprintf("%s answers %d", e.host, e.status) }

// ended reports whether err is that the provider does not take an access token
// any more.
func ended(err error) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == http.StatusUnauthorized
}

// locked is how GitHub and GitLab say that nobody may use an account for now.
// They have no other sign for it.
var locked = regexp.MustCompile(`(?i)account (?:was suspended|has been (?:blocked|deactivated)|is (?:suspended|blocked|deactivated))`)

// account reads the JSON of an answer about the account itself.
func (r reply) account(v any) error {
	if r.status == http.StatusForbidden && locked.Match(r.body) {
		return &Refusal{Msg: "your account at " + r.host + " is blocked"}
	}
	return r.decode(v)
}

const (
	maxMessage = 300
	minSecret  = 8 // what is shorter occurs in any text
)

// discreet keeps an error from telling the log what nobody but the provider
// and the gate may know: a server could send anything back. Its text is cut
// where it has no end, and control characters are left out.
func discreet(err error, secrets ...string) error {
	var no *Refusal
	if err == nil || errors.As(err, &no) {
		return err
	}
	if wrong := (*Misfit)(nil); errors.As(err, &wrong) {
		return &Misfit{wrong.Mend, discreet(wrong.Err, secrets...)}
	}
	text := err.Error()
	for _, s := range secrets {
		if len(s) >= minSecret && (strings.Contains(text, s) || strings.Contains(text, url.QueryEscape(s))) {
			return errors.New("the answer repeats a secret, and is not shown")
		}
	}
	if len(text) <= maxMessage && !strings.ContainsFunc(text, unicode.IsControl) {
		return err
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return errors.New(strings.ToValidUTF8(text[:min(len(text), maxMessage)], "") + "…")
}
