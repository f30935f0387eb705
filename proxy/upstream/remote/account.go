package remote

import (
	"net/http"
	"strings"
	"time"

	"github.com/regate/regate/internal/oci"
)

// lockTime is how long an account is not tried that the registry does not know.
const lockTime = 30 * time.Second

// doubt is the error of a 401 in spite of the gate's password. That may be wrong,
// or the account may not see the repository: Azure's registry says so in the
// same words. The answer to probe, which concerns no repository, tells.
func (r *Remote) doubt(probe *http.Request, why error) error {
	res, err := r.sendFor(probe)
	if err != nil {
		return r.bar(why)
	}
	drain(res)
	if res.StatusCode != http.StatusOK {
		return r.bar(why)
	}
	return r.hidden(others, why)
}

// ping builds the request for the root of the API, with the password.
func (r *Remote) ping() *http.Request {
	u := *r.cfg.Origin
	u.Path = strings.TrimSuffix(u.Path, "/") + "/v2/"
	h := http.Header{"Authorization": {r.basic()}, "User-Agent": {"regate"}}
	return &http.Request{Method: http.MethodGet, URL: &u, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// bar notes that the gate's password is wrong. It is not tried at each
// request: that would lock the account.
func (r *Remote) bar(why error) error {
	err := oci.Errorf(oci.BadGateway, "%s does not know this gate's account", r.cfg.Name).Because(why)
	r.mu.Lock()
	r.locked, r.lockedBy = r.deps.Now().Add(lockTime), err
	r.mu.Unlock()
	return r.refused(BadAccount, err)
}

func (r *Remote) barred() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deps.Now().Before(r.locked) {
		return r.refused(BadAccount, r.lockedBy)
	}
	return nil
}
