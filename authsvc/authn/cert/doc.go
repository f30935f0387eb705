// Package cert knows the accounts that client certificates are for.
//
// In go the chains of a certificate that a TLS handshake has verified, out
// comes the identity that the rules make of its names. The package does not
// ask for certificates, nor does it check signatures and purposes: the
// handshake did that. It checks what may have changed since, as a connection
// lives for days: that the CA is still trusted, and that nothing has expired.
// No name is looked up anywhere, so whoever can have a certificate with a name
// is the account of that name: only CAs that one trusts to give out accounts
// are to be trusted here.
//
// Its values live as long as a generation of the configuration.
package cert
