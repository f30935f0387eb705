package edge

import "net/http"

// A Middleware does something for every request around a handler.
type Middleware func(http.Handler) http.Handler

// Stack puts the middleware around h, the outermost first.
func Stack(h http.Handler, mw ...Middleware) http.Handler {
	for i := len(mw) - 1; i >= 0; i-- {
		h = mw[i](h)
	}
	return h
}
