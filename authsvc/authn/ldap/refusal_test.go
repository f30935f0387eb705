package ldap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

// bindTests are what directories say to a bind, and what becomes of it.
var bindTests = []struct {
	name string
	code int64
	text string
	want error  // nil for "could not tell"
	why  string // in the log
}{
	{"wrong password", 49, "", authn.ErrWrongPassword, "Invalid Credentials"},
	{"wrong password in AD", 49, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580", authn.ErrWrongPassword, "data 52e"},
	{"unknown in AD", 49, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 525, v2580", authn.ErrUnknownUser, "data 525"},
	{"not at this time", 49, "…error, data 530, v1", authn.ErrWrongPassword, "may not log in at this time"},
	{"not from here", 49, "…error, data 531, v1", authn.ErrWrongPassword, "may not log in from here"},
	{"expired password in AD", 49, "…error, data 532, v1", authn.ErrWrongPassword, "the password has expired"},
	{"disabled in AD", 49, "…error, data 533, v1", authn.ErrWrongPassword, "the account is disabled"},
	{"expired account in AD", 49, "…error, data 701, v1", authn.ErrWrongPassword, "the account has expired"},
	{"must change in AD", 49, "…error, data 773, v1", authn.ErrWrongPassword, "must be changed first"},
	{"locked in AD", 49, "…error, data 775, v1", authn.ErrWrongPassword, "the account is locked"},
	{"locked in 389", 19, "Exceed password retry limit. Please try later.", authn.ErrWrongPassword, "retry limit"},
	{"inactivated in 389", 53, "Account inactivated. Contact system administrator.", authn.ErrWrongPassword, "inactivated"},
	{"no right", 50, "", authn.ErrWrongPassword, "Insufficient"},
	{"no password there", 48, "", authn.ErrWrongPassword, "Inappropriate"},
	{"unknown in 389", 32, "", authn.ErrUnknownUser, "No Such Object"},
	{"needs TLS", 8, "BindSimple: Transport encryption required.", nil, "Transport encryption required"},
	{"needs TLS, in slapd", 13, "TLS confidentiality required", nil, "confidentiality"},
	{"busy", 51, "", nil, "Busy"},
	{"unavailable", 52, "", nil, "Unavailable"},
	{"operations error", 1, "", nil, "Operations Error"},
	{"referral", 10, "", nil, "Referral"},
	{"other", 80, "", nil, "Other"},
}

func TestBindAnswers(t *testing.T) {
	for _, tt := range bindTests {
		t.Run(tt.name, func(t *testing.T) {
			s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
			s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
				if r.Op == ldaptest.Bind && r.Name != serviceDN {
					return &ldaptest.Fault{Code: tt.code, Text: tt.text}
				}
				return nil
			})
			_, err := login(t.Context(), open(t, configOf(t, s)), "alice", "secret of alice")
			switch {
			case err == nil:
				t.Fatal("it is a login")
			case tt.want == nil && refused(err), tt.want != nil && !errors.Is(err, tt.want):
				t.Errorf("Authenticate() = %v, want %v", err, tt.want)
			case !strings.Contains(err.Error(), tt.why) || strings.Contains(err.Error(), "secret of"):
				t.Errorf("the log has %q, want %q in it, and no password", err, tt.why)
			}
		})
	}
}

// TestLongAnswersAreCut, so that no directory fills the log.
func TestLongAnswersAreCut(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	s.Fail(only(ldaptest.Bind, &ldaptest.Fault{Code: 80, Text: strings.Repeat("ä", 10_000)}))
	if _, err := login(t.Context(), open(t, configOf(t, s)), "alice", "x"); err == nil || len(err.Error()) > 2*maxText {
		t.Errorf("Authenticate() is an error of %d bytes", len(err.Error()))
	}
}

// TestSearchAnswers: no answer to a search refuses anybody.
func TestSearchAnswers(t *testing.T) {
	for _, code := range []int64{1, 3, 10, 11, 32, 34, 49, 50, 51, 52, 53, 80} {
		s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
		s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
			if r.Op == ldaptest.Search {
				return &ldaptest.Fault{Code: code}
			}
			return nil
		})
		if _, err := login(t.Context(), open(t, configOf(t, s)), "alice", "secret of alice"); err == nil || refused(err) {
			t.Errorf("code %d to a search: %v", code, err)
		}
	}
}

// TestPasswordPolicy reads the controls with which directories say more than
// yes.
func TestPasswordPolicy(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	if _, err := login(t.Context(), open(t, configOf(t, s)), "alice", "secret of alice"); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Requests(ldaptest.Bind) {
		if !r.Policy {
			t.Errorf("the bind as %s does not ask for the policy", r.Name)
		}
	}
	policy := func(code int8) []ldap.Control {
		c := ldap.NewControlBeheraPasswordPolicy()
		c.Error = code
		c.ErrorString = ldap.BeheraPasswordPolicyErrorMap[code]
		return []ldap.Control{c}
	}
	for name, said := range map[string][]ldap.Control{"Behera": policy(changeAfterReset), "VChu": {&ldap.ControlVChuPasswordMustChange{MustChange: true}}} {
		if err := mustChange(said); !errors.Is(err, authn.ErrWrongPassword) {
			t.Errorf("%s: a password that must be changed: %v", name, err)
		}
	}
	for _, said := range [][]ldap.Control{nil, policy(-1), policy(5)} {
		if err := mustChange(said); err != nil {
			t.Errorf("mustChange(%v) = %v", said, err)
		}
	}
	err := refusal(ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("")), policy(1))
	if !errors.Is(err, authn.ErrWrongPassword) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("refusal() of a locked account = %v", err)
	}
}

// TestUnknownAccountsTakeAsLong, in questions on as many connections, so that
// nobody finds out by the time who is in the directory. No password of an
// account that is not there is shown to it.
func TestUnknownAccountsTakeAsLong(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	d := open(t, configOf(t, s))
	var want []int // the connections that the questions come on
	for _, account := range []string{"alice", "alice", "mallory", "alice", "mallory"} {
		before := len(s.Requests(""))
		if _, err := login(t.Context(), d, account, "guess"); !refused(err) {
			t.Fatalf("Authenticate(%q) = %v", account, err)
		}
		var got []int
		for _, r := range s.Requests("")[before:] {
			got = append(got, r.Conn)
			if r.Op == ldaptest.Bind && account != "alice" {
				t.Errorf("a bind as %q for %s", r.Name, account)
			}
		}
		if want == nil { // the first makes the connections
			want = got[len(got)-2:]
		} else if !slices.Equal(got, want) {
			t.Errorf("%s costs the questions %v, want %v", account, got, want)
		}
	}
}

// TestUnknownStaysUnknown, also where that one question is not answered.
func TestUnknownStaysUnknown(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if r.Op == ldaptest.Search && r.Name == "" {
			return &ldaptest.Fault{Close: true}
		}
		return nil
	})
	if _, err := login(t.Context(), open(t, configOf(t, s)), "mallory", "guess"); err != authn.ErrUnknownUser {
		t.Errorf("Authenticate() = %v, want %v", err, authn.ErrUnknownUser)
	}
}
