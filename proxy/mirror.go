package proxy

import (
	"net/http"

	"github.com/regate/regate/internal/oci"
)

// checkPull refuses what would change a registry of somebody else, before
// anything of it goes out.
func checkPull(route Match, req oci.Request) error {
	if !route.Pool.Mirror() || req.ReadOnly() && req.Upload == "" {
		return nil
	}
	return oci.Errorf(oci.Unsupported, "this is a mirror of another registry; nobody can push to it or delete from it").
		With("Allow", http.MethodGet+", "+http.MethodHead)
}
