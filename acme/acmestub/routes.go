package acmestub

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

var b64 = base64.RawURLEncoding

// An account is known by its key.
type account struct {
	url        string
	thumbprint string // RFC 7638
	status     string
}

// A request is what a client signed (RFC 8555 6.2), and the account it names.
type request struct {
	protected struct {
		Nonce string          `json:"nonce"`
		KID   string          `json:"kid"`
		JWK   json.RawMessage `json:"jwk"`
	}
	payload []byte
	account *account // nil with a JWK
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /directory", s.directory)
	mux.HandleFunc("HEAD /new-nonce", s.newNonce)
	mux.HandleFunc("GET /renewal-info/{cert}", s.renewalInfo)
	for path, h := range map[string]func(http.ResponseWriter, *http.Request, request){
		"new-account": s.newAccount, "new-order": s.newOrder, "order/{id}": s.getOrder, "authz/{id}": s.authz,
		"challenge/{id}/{kind}": s.challenge, "finalize/{id}": s.finalize, "cert/{id}": s.certificate,
	} {
		mux.HandleFunc("POST /"+path, func(w http.ResponseWriter, r *http.Request) { s.signed(w, r, h) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Spoil != nil {
			s.Spoil(r.URL.Path, w.Header())
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) directory(w http.ResponseWriter, _ *http.Request) {
	if p, ok := s.trip("directory"); ok {
		s.refuse(w, p)
		return
	}
	profiles := map[string]string{}
	for _, p := range s.Profiles {
		profiles[p] = "see " + p
	}
	dir := map[string]any{
		"newNonce": s.http.URL + "/new-nonce", "newAccount": s.http.URL + "/new-account", "newOrder": s.http.URL + "/new-order",
		"meta": map[string]any{"profiles": profiles, "externalAccountRequired": s.EAB != nil},
	}
	if s.RenewalInfo != nil {
		dir["renewalInfo"] = s.http.URL + "/renewal-info"
	}
	reply(w, http.StatusOK, dir)
}

func (s *Server) newNonce(w http.ResponseWriter, _ *http.Request) {
	if p, ok := s.trip("new-nonce"); ok {
		s.refuse(w, p)
		return
	}
	s.giveNonce(w)
}

func (s *Server) giveNonce(w http.ResponseWriter) {
	nonce := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
}

// signed takes a request apart and finds out whose it is.
func (s *Server) signed(w http.ResponseWriter, r *http.Request, h func(http.ResponseWriter, *http.Request, request)) {
	s.giveNonce(w)
	req, ok := readRequest(r)
	if !ok {
		s.refuse(w, Problem{Status: 400, Type: "malformed", Detail: "no JWS"})
		return
	}
	s.mu.Lock()
	fresh := s.nonces[req.protected.Nonce]
	delete(s.nonces, req.protected.Nonce)
	req.account = s.accounts[req.protected.KID]
	s.mu.Unlock()
	switch {
	case !fresh:
		s.refuse(w, Problem{Status: 400, Type: "badNonce", Detail: "nonce is not fresh"})
	case req.protected.KID != "" && req.account == nil:
		s.refuse(w, Problem{Status: 400, Type: "accountDoesNotExist", Detail: "no such account"})
	default:
		h(w, r, req)
	}
}

func readRequest(r *http.Request) (req request, ok bool) {
	var jws struct{ Protected, Payload string }
	if json.NewDecoder(r.Body).Decode(&jws) != nil {
		return req, false
	}
	head, err := b64.DecodeString(jws.Protected)
	if err != nil || json.Unmarshal(head, &req.protected) != nil {
		return req, false
	}
	req.payload, err = b64.DecodeString(jws.Payload)
	return req, err == nil
}

func (s *Server) newAccount(w http.ResponseWriter, _ *http.Request, req request) {
	if p, ok := s.trip("new-account"); ok {
		s.refuse(w, p)
		return
	}
	var ask struct {
		OnlyReturnExisting     bool
		ExternalAccountBinding *struct{ Protected string }
	}
	_ = json.Unmarshal(req.payload, &ask)
	print := thumbprint(req.protected.JWK)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.EAB != nil && !ask.OnlyReturnExisting && (ask.ExternalAccountBinding == nil || !s.knows(ask.ExternalAccountBinding.Protected)) {
		s.refuse(w, Problem{Status: 401, Type: "externalAccountRequired", Detail: "who are you at our website?"})
		return
	}
	for _, a := range s.accounts {
		if a.thumbprint == print {
			w.Header().Set("Location", a.url)
			reply(w, http.StatusOK, map[string]any{"status": a.status})
			return
		}
	}
	if ask.OnlyReturnExisting {
		s.refuse(w, Problem{Status: 400, Type: "accountDoesNotExist", Detail: "no account with this key"})
		return
	}
	a := &account{url: s.http.URL + "/account/" + rand.Text(), thumbprint: print, status: "valid"}
	s.accounts[a.url] = a
	w.Header().Set("Location", a.url)
	reply(w, http.StatusCreated, map[string]any{"status": a.status})
}

// knows reports whether the header of an EAB has one of our key ids.
func (s *Server) knows(protected string) bool {
	head, _ := b64.DecodeString(protected)
	var h struct{ KID string }
	_ = json.Unmarshal(head, &h)
	return s.EAB[h.KID] != ""
}

func (s *Server) renewalInfo(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.trip("renewal-info"); ok {
		s.refuse(w, p)
		return
	}
	_, serial, _ := strings.Cut(r.PathValue("cert"), ".")
	start, end := s.RenewalInfo(serial)
	w.Header().Set("Retry-After", "1")
	reply(w, http.StatusOK, map[string]any{"suggestedWindow": map[string]time.Time{"start": start, "end": end}})
}

// thumbprint is RFC 7638 of an EC key; Marshal sorts the members.
func thumbprint(jwk []byte) string {
	var key map[string]string
	_ = json.Unmarshal(jwk, &key)
	for name := range key {
		if !slices.Contains([]string{"crv", "kty", "x", "y"}, name) {
			delete(key, name)
		}
	}
	canonical, _ := json.Marshal(key)
	sum := sha256.Sum256(canonical)
	return b64.EncodeToString(sum[:])
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
