// Package guard bounds how many passwords somebody can try.
//
// Failures are counted by network and account together, and by network alone,
// never by account alone: then anybody could lock anybody out. A try takes its
// place before it is checked, and gets it back if the password was right or
// nobody could tell, so that a thousand at once are no more than the burst.
//
// In go tries, with a function that checks one; out comes what that says, or
// a Limited. The package knows neither accounts nor how they are checked, and
// must stand behind whatever remembers good passwords: whoever knows theirs is
// never held up by somebody who guesses. A Guard lives as long as a generation;
// what it counts is in the state, for all gates.
package guard
