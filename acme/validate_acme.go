package acme

import (
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"

	"github.com/regate/regate/internal/problem"
)

// profileName is what may stand in an order, and in a key of the state.
var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (a ACME) validate() error {
	var l problem.List
	if a.First.Email == "" {
		l.Addf("email", "is missing: a CA wants to know whom to write to when it has to take certificates back")
	}
	l.Under("", a.First.withDefaults("").validate())
	for i, c := range a.Fallback {
		path := fmt.Sprintf("fallback[%d]", i)
		if c.CA == "" {
			l.Addf(path+".ca", "is missing: name the CA to ask next")
			continue
		}
		l.Under(path, c.validate())
	}
	a.validateTwice(&l)
	a.validateChallenges(&l)
	if a.DNS != nil {
		l.Under("dns", a.DNS.Validate())
	}
	return l.Err()
}

// validateTwice: the second answer would be the first one.
func (a ACME) validateTwice(l *problem.List) {
	seen := map[string]bool{}
	for i, c := range a.withDefaults().all() {
		key := c.directory() + " " + c.Profile
		if seen[key] {
			l.Addf(fmt.Sprintf("fallback[%d].ca", i-1), "%s is asked before already", c.CA)
		}
		seen[key] = true
	}
}

func (a ACME) validateChallenges(l *problem.List) {
	for i, c := range a.Challenges {
		path := fmt.Sprintf("challenges[%d]", i)
		switch {
		case c == "dns-01":
			l.Addf(path, "dns-01 needs somebody who changes the DNS: write acme.dns instead")
		case c != challengeALPN && c != challengeHTTP:
			l.Addf(path, "%q is neither %s nor %s", c, challengeALPN, challengeHTTP)
		case slices.Contains(a.Challenges[:i], c):
			l.Addf(path, "%q is there twice", c)
		}
	}
	if a.DNS != nil && len(a.Challenges) > 0 {
		l.Warnf("challenges", "is not read where acme.dns is")
	}
}

func (c CA) validate() error {
	var l problem.List
	if msg := wrongCA(c.CA); msg != "" {
		l.Addf("ca", "%s", msg)
	}
	if a, err := mail.ParseAddress(c.Email); c.Email != "" && (err != nil || a.Address != c.Email) {
		l.Addf("email", "%q is no e-mail address such as ops@example.com", c.Email)
	}
	if c.Profile != "" && !profileName.MatchString(c.Profile) {
		l.Addf("profile", "%q: use at most 64 letters, digits, dots, hyphens and underscores", c.Profile)
	}
	if p, ok := c.public(); ok && p.needsEAB && c.EAB == (EAB{}) {
		l.Addf("eab", "is missing: %s gives certificates to those alone who have a key from its website", p.name)
	} else {
		l.Under("eab", c.EAB.validate())
	}
	return l.Err()
}

// wrongCA says why text names no CA, "" if it does.
func wrongCA(text string) string {
	if _, ok := (CA{CA: text}).public(); ok {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err == nil && u.Scheme == "http":
		return "begins with http://, so that anybody on the way could be the CA: use https://, with trusted_roots if the system does not trust it"
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		return fmt.Sprintf("%q is none of letsencrypt, letsencrypt-staging, zerossl and google, and no https URL", text)
	case u.User != nil || u.Fragment != "" || u.RawQuery != "":
		return "has more than the URL of a directory, https://HOST[:PORT]/PATH"
	}
	return ""
}

func (e EAB) validate() error {
	var l problem.List
	if e == (EAB{}) {
		return nil
	}
	if e.KeyID == "" {
		l.Addf("key_id", "is missing")
	}
	switch {
	case e.HMACKey == "" && e.HMACKeyFile == "":
		l.Addf("hmac_key_file", "is missing")
	case e.HMACKey != "" && e.HMACKeyFile != "":
		l.Addf("hmac_key_file", "is given beside hmac_key: leave one of them out")
	case e.HMACKey != "":
		if _, err := decodeMAC(e.HMACKey); err != nil {
			l.Addf("hmac_key", "%v", err)
		}
	}
	return l.Err()
}
