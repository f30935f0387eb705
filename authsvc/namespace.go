package authsvc

import (
	"net/http"
	"slices"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
)

// An addressee is what a token is asked for: the service, or a namespace.
type addressee struct {
	audience  string
	namespace *oci.Namespace // nil is the service itself
}

// addressed is what a client means by a service. A token for an unknown one is
// never signed: some other registry might trust the same root.
func (s *Service) addressed(service string) (addressee, error) {
	own := s.tokens.Service()
	if service == "" || service == own {
		return addressee{audience: own}, nil
	}
	for _, n := range s.namespaces {
		if service == n.Audience(own) {
			return addressee{service, &n}, nil
		}
	}
	return addressee{}, oci.Errorf(oci.BadRequest, "this gate gives out no tokens for that service")
}

// within is the service that rules are asked with for a request in the place of
// a namespace, "" for one of the gate itself.
func (s *Service) within(namespace string) string {
	if namespace == "" {
		return s.tokens.Service()
	}
	return oci.Namespace{Name: namespace}.Audience(s.tokens.Service())
}

// scope has the names that the rules have.
func (to addressee) scope(wanted oci.Scope) oci.Scope {
	if to.namespace == nil {
		return wanted
	}
	return to.namespace.Scope(wanted)
}

// guests reports whether r comes to a host of the namespace where strangers are
// nobody in particular. Nobody can ask there for what is of the gate itself.
func (to addressee) guests(r *http.Request) bool {
	return to.namespace != nil && to.namespace.Anonymous && slices.Contains(to.namespace.Hosts, edge.Hostname(r))
}
