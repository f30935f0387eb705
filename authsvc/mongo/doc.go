// Package mongo knows accounts and rules that are kept in MongoDB, in the
// documents that docker_auth has there: mongo_auth and acl_mongo.
//
// Credentials come in, and the identity with its labels goes out; what somebody
// wants comes in, and what the rules grant of it goes out. The package reads,
// and never writes: it makes no collection and no index. It compares no
// passwords itself, package password does, nor does it decide by rules, package
// acl does.
//
// Users and Rules live as long as a generation of the configuration, and so do
// their connections. They are made when the first question is asked, so that a
// server which is down stops nobody but those whom it alone knows.
package mongo
