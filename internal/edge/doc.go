// Package edge is what every request gets, whatever it asks for: a record, a
// line in the access log, a check of its Host, the client's address, recovery
// from a panic, and the rendering of an error.
//
// A request comes in and a request goes out, to a handler that returns an
// error; what the handler learns on its way it writes into the Record. The
// package knows neither routes nor users and decides nothing about a
// repository. Handler is the only caller of oci.WriteError in the module.
//
// Record and what belongs to it live as long as a request, Hosts as long as a
// generation of the configuration, Draining as long as the process.
package edge
