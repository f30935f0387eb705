// Package h2guard ends connections of HTTP/2 on which a client sends frames
// that lead to nothing.
//
// net/http bounds what such frames make it keep: streams, headers, answers that
// the client does not read. It does not bound what they make it do. A frame of
// nine bytes costs a microsecond, a line can carry many millions of them in a
// second, and one connection keeps a processor busy for as long as it likes
// with PING acknowledgements, SETTINGS, PRIORITY, empty CONTINUATIONs, or with
// requests that it takes back at once (RFC 9113 10.5; CVE-2019-9512, -9513,
// -9515, -9518, CVE-2023-44487, CVE-2024-27316).
//
// In goes an http.Server, which then reads each connection of HTTP/2 through a
// guard. The guard looks at the nine bytes that begin each frame, and knows
// neither requests nor what is in them. Its counts live as long as a connection.
package h2guard
