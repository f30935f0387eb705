package acme

import (
	"fmt"
	"regexp"
	"time"

	rfc8555 "github.com/mholt/acmez/v3/acme"
)

// What to do about troubles of which there is one kind.
const (
	adviceState  = "Look at the gate's state (state.path): while it cannot be used, certificates are neither ordered nor kept."
	adviceSolver = "Allow another kind of challenge in tls.acme.challenges: this CA offers none of those that are configured."
	adviceOther  = "Look into the gate's log for what the CA said; the gate tries again by itself."
)

// ports are where the CA connects to, whatever the gate itself listens on.
var ports = map[string]string{challengeALPN: "port 443", challengeHTTP: "port 80"}

func portOf(p rfc8555.Problem) string {
	if port := ports[challengeOf(p)]; port != "" {
		return port
	}
	return "ports 443 and 80"
}

func (b blame) dns(p rfc8555.Problem) Trouble {
	if challengeOf(p) == challengeDNS {
		return b.record()
	}
	return Trouble{Reason: ReasonDNS, Advice: fmt.Sprintf(
		"See to it that the DNS has an A or AAAA record for %s that leads to this gate, none that leads elsewhere, and that the domain's name servers answer.", b.host)}
}

func (b blame) record() Trouble {
	if b.delegate != "" {
		return Trouble{Reason: ReasonDNS, Advice: fmt.Sprintf(
			"Make _acme-challenge.%s a CNAME to %s, see to it that tls.acme.dns may change the zone of that record, and that its name servers show it to the CA.", bare(b.host), b.delegate)}
	}
	return Trouble{Reason: ReasonDNS, Advice: fmt.Sprintf(
		"See to it that tls.acme.dns may change the zone of the TXT record _acme-challenge.%s, and that the domain's name servers show it to the CA.", bare(b.host))}
}

func tsig() Trouble {
	return Trouble{Reason: ReasonDNS, Advice: "Compare key_name, key_algorithm and the key of tls.acme.dns.rfc2136 with what the DNS server has, and the clocks of both: " +
		"the server does not accept how the gate signs."}
}

func (b blame) unreachable(p rfc8555.Problem) Trouble {
	return Trouble{Reason: ReasonUnreachable, Advice: fmt.Sprintf(
		"Open %s of %s to the CA: every address that the DNS has for it must lead to this gate, through firewalls and routers.", portOf(p), b.host)}
}

func (b blame) answered(p rfc8555.Problem) Trouble {
	return Trouble{Reason: ReasonRefused, Advice: fmt.Sprintf(
		"Lead %s of %s to this gate itself: the CA got an answer from something else there, such as another server or a balancer that ends TLS.", portOf(p), b.host)}
}

func (b blame) rejected() Trouble {
	return Trouble{Reason: ReasonRefused, Advice: fmt.Sprintf(
		"Use a name in a public domain instead of %s, or another CA in tls.acme.ca, or tls.mode internal: this CA does not sign for it.", b.host)}
}

func account() Trouble {
	return Trouble{Reason: ReasonRefused,
		Advice: "Look at tls.acme.email and tls.acme.account_key_file, and at the CA's website: the CA does not accept the gate's account as it is."}
}

func profile() Trouble {
	return Trouble{Reason: ReasonRefused, Advice: "Choose one of the CA's profiles in tls.acme.profile, or leave it out: the CA does not have this one, or not for this host."}
}

func eab() Trouble {
	return Trouble{Reason: ReasonEAB,
		Advice: "Put a new key_id, and its key into the file of hmac_key_file, both from the CA's website, in tls.acme.eab: this CA gives accounts to those alone whom it knows from there."}
}

// retryAfter is how Let's Encrypt says when it may be asked again.
var retryAfter = regexp.MustCompile(`(?i)retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d) ?(UTC|Z)`)

func (b blame) rateLimited(p rfc8555.Problem) Trouble {
	if m := retryAfter.FindStringSubmatch(p.Detail); m != nil {
		if at, err := time.Parse(time.DateTime, m[1][:10]+" "+m[1][11:]); err == nil {
			b.after = at
		}
	}
	until := "some hours"
	if !b.after.IsZero() {
		until = "until " + b.after.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	return Trouble{Reason: ReasonRateLimited, Advice: fmt.Sprintf(
		"Wait %s, the gate tries again by itself; another CA in tls.acme.fallback, or a wildcard for many names of one domain, would help sooner.", until)}
}

// caaNames are what well-known CAs are called in CAA records (RFC 8659 4.2).
var caaNames = map[string]string{
	"letsencrypt": "letsencrypt.org", "letsencrypt-staging": "letsencrypt.org", "zerossl": "sectigo.com", "google": "pki.goog",
}

func (b blame) caa() Trouble {
	record := "the name of this CA"
	if name := caaNames[b.issuer]; name != "" {
		record = fmt.Sprintf(`0 issue "%s"`, name)
	}
	return Trouble{Reason: ReasonCAA, Advice: fmt.Sprintf(
		"Add a CAA record with %s for %s, or for the domain above it that has one: it lets other CAs alone sign.", record, bare(b.host))}
}

func noCA() Trouble {
	return Trouble{Reason: ReasonCADown,
		Advice: "See to it that this machine can connect to the CA (its DNS, firewall and HTTPS_PROXY), or wait until the CA is back; tls.acme.fallback can name another one."}
}

func outOfOrder() Trouble {
	return Trouble{Reason: ReasonCADown,
		Advice: "Wait, the CA is out of order and the gate tries again by itself; tls.acme.fallback can name another CA."}
}

func noDirectory() Trouble {
	return Trouble{Reason: ReasonCADown,
		Advice: "Look whether tls.acme.ca is the URL of the CA's ACME directory, and whether a proxy stands in between: what answers there is not an ACME server."}
}

func unfit() Trouble {
	return Trouble{Reason: ReasonCADown,
		Advice: "Ask who runs the CA, and look at this machine's clock: what the CA has signed is not fit to be served; tls.acme.fallback can name another CA."}
}

func untrusted() Trouble {
	return Trouble{Reason: ReasonCADown,
		Advice: "Put the root certificate of the CA's own https into the file of tls.acme.trusted_roots, if it is right that this machine does not trust it."}
}

// bare is the domain of a wildcard, which its challenge and CAA records are of.
func bare(host string) string {
	if len(host) > 2 && host[:2] == "*." {
		return host[2:]
	}
	return host
}
