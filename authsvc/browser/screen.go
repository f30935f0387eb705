package browser

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/regate/regate/authsvc/secret"
	"github.com/regate/regate/internal/edge"
)

// A screen is all that a page shows.
type screen struct {
	Name   string // of its template
	Status int
	Title  string
	Host   string

	Notice  notice
	Buttons []button
	Ended   bool // the session was

	Session  session
	Groups   []string
	Provider string
	Fault    string
	Made     *made
	Done     string // what was revoked a moment ago
	Lives    []life
	Goods    []good
	Tokens   []table
}

// A button begins a login.
type button struct{ Title, Path string }

// A made token is shown once, with what to do with it.
type made struct {
	Name, Text string
	Line       string // all at once
	Better     string // the token is typed in
}

func newMade(host string, h handover) *made {
	account := quoted(h.Account)
	return &made{
		Name: h.Name, Text: h.Text,
		Line:   fmt.Sprintf("docker login %s -u %s -p %s", host, account, h.Text),
		Better: fmt.Sprintf("docker login %s -u %s", host, account),
	}
}

// quoted is text as one word of a shell.
func quoted(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_"
	if text != "" && strings.Trim(text, plain) == "" && text[0] != '-' {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// A life is how long a token can be good.
type life struct {
	Value, Text string
	Usual       bool
}

func newLife(d time.Duration) life {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return life{"0", "for ever", false}
	case d%day == 0:
		n := strconv.Itoa(int(d / day))
		return life{n + "d", "for " + n + " days", d == 90*day}
	}
	return life{d.String(), "for " + strings.TrimSuffix(d.String(), "0m0s"), false}
}

// A row is a token in the list.
type row struct {
	ID, Name               string
	Mark                   string // with which the token begins
	Created, Used, Expires string
	For                    string // "" is all that the owner may
	Expired, Replaced      bool
}

// A table is the secrets of one kind.
type table struct {
	Title string // "" for those that are made here
	Text  string
	Rows  []row
}

// tables are those of the secrets of an account; none of a kind of which there
// are none.
func tables(all []secret.Token, now time.Time) (list []table) {
	for _, kind := range []struct {
		kind string
		table
	}{
		{secret.Personal, table{}},
		{secret.Robot, table{Title: "Robots that act for you", Text: "They were made for you with regate token."}},
		{secret.Refresh, table{Title: "Logins of docker", Text: "What docker login was given to keep instead of your password."}},
	} {
		for _, t := range all {
			if t.Kind == kind.kind {
				kind.Rows = append(kind.Rows, newRow(t, now))
			}
		}
		if len(kind.Rows) > 0 {
			list = append(list, kind.table)
		}
	}
	return list
}

func newRow(t secret.Token, now time.Time) row {
	r := row{ID: t.ID, Mark: secret.Prefix + t.ID[:min(len(t.ID), shownID)] + "…", Name: t.Name, Created: date(t.Created), For: goodFor(t.Within), Used: "never", Expires: "never", Expired: t.Expired(now), Replaced: t.Replaced}
	if !t.Used.IsZero() {
		r.Used = date(t.Used)
		if now.Sub(t.Used) < 2*time.Hour {
			r.Used = "within two hours"
		}
	}
	if !t.Expires.IsZero() {
		r.Expires = date(t.Expires)
	}
	return r
}

// shownID is how much of a token's name is shown: enough to find it in the log,
// and in a file.
const shownID = 6

func date(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// hostOf is what docker has to be told.
func hostOf(r *http.Request) string { return strings.TrimPrefix(edge.Origin(r), "https://") }
