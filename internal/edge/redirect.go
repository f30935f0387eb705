package edge

import (
	"strconv"
	"strings"
)

// Public is the public origin under which a client that came to another port
// should ask: that of PublicURL for its name, and the https listener's for the
// others. ok is false if the Host is not ours, so that nobody is ever sent to
// a host of somebody else's choice.
func (h *Hosts) Public(hostHeader string) (origin string, ok bool) {
	got, ok := parseHost(hostHeader)
	if !ok || !h.has(got) {
		return "", false
	}
	name := got.name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	port := h.httpsPort
	if h.public.name == got.name {
		port = h.public.port
	}
	if port == httpsPort {
		return "https://" + name, true
	}
	return "https://" + name + ":" + strconv.Itoa(port), true
}
