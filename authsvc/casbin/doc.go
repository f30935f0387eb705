// Package casbin has Casbin decide, as docker_auth's casbin_authz does: by a
// model and a policy that are files.
//
// What somebody wants comes in, and what the policy grants of it goes out. The
// package asks nobody outside and keeps nothing of what it was asked. It does
// not watch its files: when they change, there is another generation of the
// configuration, and Rules live as long as one.
package casbin
