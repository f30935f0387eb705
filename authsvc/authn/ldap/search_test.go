package ldap

import (
	"context"
	"errors"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/regate/regate/authsvc/authn"
	"github.com/regate/regate/authsvc/authn/ldap/ldaptest"
)

// success is an answer with nothing in it but a control, to the question on a
// connection that has this number.
func success(number int64, tag ber.Tag, control ldap.Control) []byte {
	done := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	done.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, 0, ""))
	for range 2 {
		done.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	}
	controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	controls.AppendChild(control.Encode())
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, number, ""))
	message.AppendChild(done)
	message.AppendChild(controls)
	return message.Bytes()
}

// Whoever asks for no pages gets no further one, or would ask for ever.
func TestPagesThatNobodyAskedFor(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	more := ldap.NewControlPaging(0)
	more.SetCookie([]byte("more"))
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if r.Op == ldaptest.Search {
			return &ldaptest.Fault{Raw: success(2, ldap.ApplicationSearchResultDone, more)}
		}
		return nil
	})
	if _, err := login(t.Context(), open(t, configOf(t, s)), "alice", secretOf("alice")); err != authn.ErrUnknownUser {
		t.Errorf("error %v, want %v", err, authn.ErrUnknownUser)
	}
}

// A password may be right, and yet good for nothing but changing it.
func TestBindThatMustBeChanged(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service, person("alice"))
	change := ldap.NewControlString(ldap.ControlTypeVChuPasswordMustChange, false, "0")
	s.Fail(func(r ldaptest.Request) *ldaptest.Fault {
		if r.Op == ldaptest.Bind && r.Name != serviceDN {
			return &ldaptest.Fault{Raw: success(1, ldap.ApplicationBindResponse, change)}
		}
		return nil
	})
	_, err := login(t.Context(), open(t, configOf(t, s)), "alice", secretOf("alice"))
	if !errors.Is(err, authn.ErrWrongPassword) {
		t.Errorf("error %v, want %v", err, authn.ErrWrongPassword)
	}
}

// A directory says yes to a bind without a name or a password.
func TestNobodyIsBoundAs(t *testing.T) {
	s := ldaptest.Start(t, ldaptest.Options{}, service)
	d := open(t, configOf(t, s))
	for name, secret := range map[string]authn.Secret{"": servicePassword, serviceDN: "", " ": ""} {
		err := d.users.do(t.Context(), func(ctx context.Context, k *conn) error { return k.login(ctx, name, secret) })
		if !errors.Is(err, errNobody) {
			t.Errorf("bind as %q with a password of %d bytes: %v", name, len(secret), err)
		}
	}
	if asked := s.Requests(ldaptest.Bind); len(asked) > 0 {
		t.Errorf("the directory was asked: %v", asked)
	}
}
