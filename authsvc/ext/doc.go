// Package ext asks somebody else: a program of the operator's, or an HTTP hook.
// Users asks who somebody is, Rules asks what somebody may do.
//
// Credentials or an acl.Ask go in, and the answer that came back comes out, as
// far as it makes sense: never more actions than were asked for, and an error
// for whatever is not one of the answers agreed on. A program is asked as
// docker_auth asks it (its ext_auth and ext_authz), so that those which people
// have go on working; what docker_auth leaves open is bounded here: the time,
// how many are asked at once, how many wait for that, and how long an answer
// may be.
//
// The package does not know what a program does, keeps no answers (the login
// cache does that), and runs nothing through a shell. Users and Rules live as
// long as a generation of the configuration, a program as long as one question.
package ext
