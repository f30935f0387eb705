// Package browser is where people log in with a browser, at a provider of
// identities (package idp), and make the personal tokens (package secret) that
// their docker shows in the place of a password.
//
// Pages serves /login, /tokens, /logout and the call-backs of the providers. In
// come requests, out go pages without any script; what a browser has to keep
// between two of them is in sealed cookies, so that each gate of a fleet can
// serve the next one; the state has which of them were logged out. People knows
// who has logged in by one method: it keeps what the provider said in the state,
// asks it again when that has become old, and ends the tokens of those whom it
// vouches for no longer.
//
// The package does not know what an account may do, and speaks to no provider
// itself. Pages and People live as long as a generation of the configuration;
// what they keep in cookies and in the state outlives them.
package browser
