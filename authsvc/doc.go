// Package authsvc is the half of the gate where people log in: credentials
// become an identity, the rules grant it part of what it asked for, and that
// becomes a token. Service does this at /auth; Door lets the tokens in again
// at /v2, and whoever logs in with the request itself. Neither knows a route,
// an upstream or a byte of an image.
//
// Their values live as long as a generation of the configuration.
package authsvc
