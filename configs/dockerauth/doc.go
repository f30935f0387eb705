// Package dockerauth reads the configuration of docker_auth and writes one for
// the gate that means the same.
//
// In goes the text of a file, out come the text of a regate.yaml and a Finding
// for everything in the source: what was taken as it is, what is changed and
// why, what is dangerous and was so before, what is not needed any more, and
// what somebody has to fill in. What docker_auth ignores, it reads here too: a
// misspelt condition is a condition that is missing there, so its rule is for
// everybody. Here such a rule refuses until somebody has corrected it. The gate
// grants nobody more than docker_auth did, unless a Finding says so.
//
// The package opens no file and starts nothing; what is on this machine it is
// told by a Machine. It does not validate as package configs does, and never
// repeats a secret in a Finding. Its values live as long as one conversion.
package dockerauth
