package acmestub

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

type identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// An order is for one host at a time, which is what certmagic asks for.
type order struct {
	Identifiers []identifier `json:"identifiers"`
	Profile     string       `json:"profile"`
	Replaces    string       `json:"replaces"`

	id       string
	number   int
	account  *account
	token    string
	status   string // of the order
	proved   string // status of its authorization
	looked   string // the challenge that was tried
	problem  *Problem
	cert     []byte
	wildcard bool
}

func (o *order) hosts() (all []string) {
	for _, i := range o.Identifiers {
		all = append(all, i.Value)
	}
	return all
}

func (s *Server) newOrder(w http.ResponseWriter, _ *http.Request, req request) {
	p, fails := s.trip("new-order")
	o := &order{id: rand.Text(), token: rand.Text(), status: "pending", proved: "pending", account: req.account}
	if err := json.Unmarshal(req.payload, o); err != nil || len(o.Identifiers) != 1 {
		p, fails = Problem{Status: 400, Type: "malformed", Detail: "want one identifier"}, true
	}
	if fails {
		s.refuse(w, p)
		return
	}
	if o.Profile != "" && !slices.Contains(s.Profiles, o.Profile) {
		s.refuse(w, Problem{Status: 400, Type: "invalidProfile", Detail: "no such profile"})
		return
	}
	o.wildcard = strings.HasPrefix(o.Identifiers[0].Value, "*.")
	s.mu.Lock()
	defer s.mu.Unlock()
	o.number = len(s.orders)
	s.orders[o.id] = o
	w.Header().Set("Location", s.http.URL+"/order/"+o.id)
	reply(w, http.StatusCreated, s.show(o))
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) *order {
	o := s.orders[r.PathValue("id")]
	if o == nil {
		s.refuse(w, Problem{Status: 404, Type: "malformed", Detail: "no such order"})
	}
	return o
}

// show needs mu, as do the handlers below that call it.
func (s *Server) show(o *order) map[string]any {
	body := map[string]any{
		"status": o.status, "identifiers": o.Identifiers, "finalize": s.http.URL + "/finalize/" + o.id,
		"authorizations": []string{s.http.URL + "/authz/" + o.id},
	}
	if o.cert != nil {
		body["certificate"] = s.http.URL + "/cert/" + o.id
	}
	return body
}

func (s *Server) getOrder(w http.ResponseWriter, r *http.Request, _ request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.find(w, r); o != nil {
		reply(w, http.StatusOK, s.show(o))
	}
}

func (s *Server) authz(w http.ResponseWriter, r *http.Request, req request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(w, r)
	if o == nil {
		return
	}
	if strings.Contains(string(req.payload), "deactivated") {
		o.proved = "deactivated"
	}
	kinds := []string{"tls-alpn-01", "http-01", "dns-01"}
	if o.wildcard {
		kinds = kinds[2:]
	}
	var challenges []map[string]any
	for _, kind := range kinds {
		challenges = append(challenges, s.showChallenge(o, kind))
	}
	id := o.Identifiers[0]
	id.Value = strings.TrimPrefix(id.Value, "*.")
	reply(w, http.StatusOK, map[string]any{
		"status": o.proved, "identifier": id, "wildcard": o.wildcard, "challenges": challenges,
	})
}

func (s *Server) showChallenge(o *order, kind string) map[string]any {
	c := map[string]any{"type": kind, "url": s.http.URL + "/challenge/" + o.id + "/" + kind, "token": o.token, "status": "pending"}
	if kind == o.looked {
		c["status"] = o.proved
		if o.problem != nil {
			c["error"] = o.problem.body()
		}
	}
	return c
}

func (s *Server) challenge(w http.ResponseWriter, r *http.Request, _ request) {
	s.mu.Lock()
	o := s.find(w, r)
	s.mu.Unlock()
	if o == nil {
		return
	}
	kind := r.PathValue("kind")
	p, fails := s.trip("challenge")
	if !fails {
		p, fails = s.look(r.Context(), o, kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.looked, o.proved, o.status = kind, "valid", "ready"
	if fails {
		o.problem, o.proved, o.status = &p, "invalid", "invalid"
	}
	reply(w, http.StatusOK, s.showChallenge(o, kind))
}

func (s *Server) finalize(w http.ResponseWriter, r *http.Request, req request) {
	if p, ok := s.trip("finalize"); ok {
		s.refuse(w, p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(w, r)
	if o == nil {
		return
	}
	var ask struct{ CSR string }
	_ = json.Unmarshal(req.payload, &ask)
	der, _ := b64.DecodeString(ask.CSR)
	chain, err := s.ca.sign(der, s.Lifetime)
	if err != nil || o.status != "ready" {
		s.refuse(w, Problem{Status: 403, Type: "orderNotReady", Detail: "order is " + o.status})
		return
	}
	if s.Chain != nil {
		chain = s.Chain(chain)
	}
	o.cert, o.status = chain, "valid"
	reply(w, http.StatusOK, s.show(o))
}

func (s *Server) certificate(w http.ResponseWriter, r *http.Request, _ request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.find(w, r); o != nil {
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(o.cert)
	}
}
