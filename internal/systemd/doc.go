// Package systemd speaks with whoever started the process as a service: it
// takes the sockets that were opened for it, and says when it is ready.
//
// In goes the environment (sd_listen_fds(3), sd_notify(3)), out come listeners
// by name; without systemd there are none, and nobody is told anything. The
// package knows nothing of what listens. It has no state of its own: what
// stands in the environment is taken once, and its sockets are the caller's.
package systemd
