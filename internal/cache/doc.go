// Package cache keeps what took effort to find out: bounded in size and in
// time, and found out once when many ask at the same moment.
//
// Keys and values come in and go out; nothing is persisted or shared between
// processes, and nothing says that an entry is still there a moment later. A
// Cache runs no goroutines of its own, only one for each call of Do that is
// being answered; it lives as long as its owner.
package cache
