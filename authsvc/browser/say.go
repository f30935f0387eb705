package browser

import (
	"errors"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/idp"
	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// A notice tells somebody that what they wanted was not done, and what to do.
// None of its texts comes from a request.
type notice struct {
	Title  string
	Text   string
	Advice string
	Code   string // what a provider calls it, one of known codes
	Retry  string // path of the link; "" has none
	Label  string // of the link
}

// say shows n with the status of kind, and has err in the log.
func (p *Pages) say(w http.ResponseWriter, r *http.Request, e *oci.Error, n notice) error {
	edge.RecordFrom(r.Context()).Err = e
	if n.Label == "" {
		n.Retry, n.Label = loginPath, "Back to the login"
	}
	if e.Kind == oci.Unavailable {
		w.Header().Set("Retry-After", "10")
	}
	return show(w, r, screen{Name: "notice", Status: e.Kind.Status(), Title: n.Title, Notice: n})
}

func (p *Pages) sayNoVisit(w http.ResponseWriter, r *http.Request, err error) error {
	return p.say(w, r, oci.Errorf(oci.BadRequest, "no login to end").Because(err), notice{
		Title:  "This login cannot be finished",
		Text:   "It was begun in another browser or window, took longer than ten minutes, or was finished before.",
		Advice: "Begin again, and stay in this browser. It has to accept cookies of this site.",
		Label:  "Begin again", Retry: loginPath,
	})
}

func (p *Pages) sayDown(w http.ResponseWriter, r *http.Request, m *People, err error) error {
	title := m.method.Provider.Terms().Title
	if wrong := (*idp.Misfit)(nil); errors.As(err, &wrong) {
		return p.sayMisfit(w, r, m, err)
	}
	if r.Context().Err() == nil {
		p.log.Warn("provider cannot be asked", zap.String("method", m.Name()), zap.Error(err))
	}
	return p.say(w, r, oci.Errorf(oci.Unavailable, "%s cannot be asked", m.Name()).Because(err), notice{
		Title:  title + " cannot be reached now",
		Text:   "The registry got no answer that it can rely on. Tokens that you have already go on working for a day.",
		Advice: "Try again in a minute, or log in another way.",
	})
}

// sayMisfit is for what only those who run the gate can mend.
func (p *Pages) sayMisfit(w http.ResponseWriter, r *http.Request, m *People, err error) error {
	p.log.Error("the provider and the gate do not understand each other, and nobody can log in until that is mended",
		zap.String("method", m.Name()), zap.Error(err))
	return p.say(w, r, oci.Errorf(oci.BadGateway, "%s does not fit", m.Name()).Because(err), notice{
		Title:  m.method.Provider.Terms().Title + " did not log you in",
		Text:   "It does not understand this registry, or the other way round. That is for those who run the registry to mend.",
		Advice: "Tell them: the log of the registry says what to do. Until then you can only log in another way.",
	})
}

// sayProviderError shows what a provider said in the place of a code (RFC 6749
// 4.1.2.1, OpenID Connect Core 3.1.2.6). What is not in this list is not shown:
// the address of the page could be anybody's.
func (p *Pages) sayProviderError(w http.ResponseWriter, r *http.Request, m *People, query url.Values) error {
	code := query.Get("error")
	texts := map[string]string{
		"access_denied":              "You, or a rule there, did not allow it.",
		"login_required":             "You have to log in there first.",
		"interaction_required":       "It wants to ask you something first.",
		"account_selection_required": "You have to choose an account there first.",
		"consent_required":           "You have to agree there first.",
		"temporarily_unavailable":    "It is busy just now.",
		"server_error":               "Something is broken there.",
		"invalid_request":            "It does not understand this registry. That is for those who run it to mend.",
		"invalid_scope":              "It does not know what this registry asks for. That is for those who run it to mend.",
		"unauthorized_client":        "It does not let this registry ask. That is for those who run it to mend.",
		"unsupported_response_type":  "It does not answer in the way that this registry asks. That is for those who run it to mend.",
	}
	n := notice{Title: m.method.Provider.Terms().Title + " did not log you in", Text: texts[code], Code: code, Advice: "You can try again, or log in another way."}
	if n.Text == "" {
		n.Text, n.Code = "It gave a reason that is not known here.", ""
	}
	p.log.Info("login refused", zap.String("method", m.Name()), zap.Stringer("client", edge.Client(r)),
		zap.String("error", printable(code, maxCode)), zap.String("description", printable(query.Get("error_description"), maxDescription)))
	return p.say(w, r, oci.Errorf(oci.Denied, "%s answers with an error", m.Name()).Because(errors.New(n.logged())), n)
}

func (n notice) logged() string {
	if n.Code == "" {
		return "an unknown one"
	}
	return n.Code
}

// sayNoLogin is for a code that was good for nothing.
func (p *Pages) sayNoLogin(w http.ResponseWriter, r *http.Request, m *People, err error) error {
	var no *idp.Refusal
	if !errors.As(err, &no) {
		return p.sayDown(w, r, m, err)
	}
	p.log.Info("login refused", zap.String("subject", no.Who), zap.String("method", m.Name()), zap.Stringer("client", edge.Client(r)), zap.Error(err))
	title := m.method.Provider.Terms().Title + " did not log you in"
	if no.Who != "" { // it did, and its word is why we do not
		title = "You cannot log in here"
	}
	return p.say(w, r, oci.Errorf(oci.Denied, "%s refuses the login", m.Name()).Because(err), notice{
		Title:  title,
		Text:   sentence(no.Msg),
		Advice: "If that is not as it should be, ask those who run this registry.",
	})
}

// sayNotEntered is for a person who is known to the provider, and not let in here.
func (p *Pages) sayNotEntered(w http.ResponseWriter, r *http.Request, m *People, v visitor) error {
	if !errors.Is(v.why, errTaken) {
		return p.sayWrong(w, r, v.why)
	}
	p.log.Warn("browser login refused: the name is that of an account which is asked about before",
		zap.String("subject", v.Account), zap.String("of", m.holder(r.Context(), v.Account)), zap.String("method", m.Name()), zap.Stringer("client", edge.Client(r)))
	return p.say(w, r, oci.Errorf(oci.Denied, "the name %q is taken", v.Account).Because(v.why), notice{
		Title: "The name " + v.Account + " is taken",
		Text: "An account of this registry has that name already, and it does not log in with " +
			m.method.Provider.Terms().Title + ". So nobody else can be " + v.Account + " here.",
		Advice: "If the account is yours, use its password. If it is not, ask those who run this registry.",
	})
}

// sayWrong is for everything else that can end a request on a page.
func (p *Pages) sayWrong(w http.ResponseWriter, r *http.Request, err error) error {
	switch e := (*oci.Error)(nil); {
	case errors.Is(err, errForeign):
		return p.say(w, r, oci.Errorf(oci.Denied, "not a form of ours").Because(err), notice{
			Title:  "Nothing was changed",
			Text:   "The request did not come from a page of this registry that is open in this browser.",
			Advice: "If you pressed a button here, open the page again and press it once more.",
			Label:  "To your tokens", Retry: tokensPath,
		})
	case errors.As(err, &e):
		return err
	case errors.Is(err, authn.ErrUnknownUser), r.Context().Err() != nil:
		return err
	}
	return p.say(w, r, oci.Errorf(oci.Unavailable, "the login cannot be checked").Because(err), notice{
		Title:  "This does not work now",
		Text:   "The registry cannot read or write who is logged in, or cannot ask whether you still may be.",
		Advice: "Try again in a minute. Tokens that you have already are not lost.",
		Label:  "Try again", Retry: tokensPath,
	})
}

// sentence makes one of a message.
func sentence(msg string) string {
	if msg == "" {
		return ""
	}
	return string(upper(msg[0])) + msg[1:] + "."
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
