package upstream

import (
	"errors"
	"slices"
	"time"
)

// A Want says which endpoint a request is for. The zero Want is any.
type Want struct {
	// Repository is the one that the request is about, as the registry calls
	// it. The balance may go by it.
	Repository string
	// Backend is the ID of the only endpoint that will do, because it has the
	// upload that the request is about. "" is any.
	Backend string
	// Not are those that have been tried.
	Not []*Endpoint
}

var (
	// ErrNoBackend is the error of Pick if no endpoint has the ID that is
	// wanted: it has been removed, or never was one.
	ErrNoBackend = errors.New("there is no such upstream any more")
	// ErrBackendDown is the error of Pick if the only endpoint that will do is
	// down.
	ErrBackendDown = errors.New("the upstream that has the upload is down")

	errAllDown = errors.New("no upstream is up")
	errAllFull = errors.New("every upstream that is up has as many requests as max_connections allows")
	errTried   = errors.New("every upstream that is up has been tried")
)

// Pick returns the endpoint for one request. The caller calls done when the
// answer is over. An error means that no endpoint may be used now.
//
// An endpoint that is alone is used even if it is down: there is no better
// one. Of several that are all down, each gets one request in a while, so that
// they are found to be up again without a store that comes up being run over.
func (p *Pool) Pick(w Want) (e *Endpoint, done func(), err error) {
	p.budget.earn()
	if w.Backend != "" {
		e, err = p.bound(w)
	} else {
		e, err = p.pick(w)
	}
	if err != nil {
		return nil, nil, err
	}
	return e, e.vitals.release, nil
}

// bound returns the endpoint that w names.
func (p *Pool) bound(w Want) (*Endpoint, error) {
	e := p.find(w.Backend)
	switch {
	case e == nil:
		return nil, ErrNoBackend
	case e.closed(p.checked) != nil:
		return nil, e.closed(p.checked)
	case e.vitals.down.Load() && !e.alone || slices.Contains(w.Not, e):
		return nil, ErrBackendDown
	case !e.enter():
		return nil, errAllFull
	}
	return e, nil
}

func (p *Pool) pick(w Want) (*Endpoint, error) {
	if p.endpoints[0].health.Off {
		if e := p.attempt(w); e != nil {
			return e, nil
		}
	}
	fit := func(e *Endpoint) bool {
		return (!e.vitals.down.Load() || e.alone) && e.room() && p.may(e, w)
	}
	for range p.endpoints { // others may take the last place meanwhile
		e := p.choose(w.Repository, fit)
		if e == nil {
			break
		}
		if e.enter() {
			return e, nil
		}
	}
	why := p.why(w)
	if why == errAllDown {
		if e := p.attempt(w); e != nil {
			return e, nil
		}
	}
	return nil, why
}

// attempt returns an endpoint that is down, and may be tried again.
func (p *Pool) attempt(w Want) *Endpoint {
	for _, e := range p.endpoints {
		if !e.vitals.down.Load() || e.alone || !p.may(e, w) || !e.room() {
			continue
		}
		if e.vitals.try(e.health, time.Now()) && e.enter() {
			return e
		}
	}
	return nil
}

// why says what keeps a request from all endpoints.
func (p *Pool) why(w Want) error {
	err := errTried
	for _, e := range p.endpoints {
		switch {
		case slices.Contains(w.Not, e):
		case e.closed(p.checked) != nil:
			err = e.closed(p.checked)
		case !e.vitals.down.Load():
			return errAllFull
		default:
			err = errAllDown
		}
	}
	return err
}

// may reports whether a request may be sent to e, as far as that does not
// depend on how it does.
func (p *Pool) may(e *Endpoint, w Want) bool {
	return (len(w.Not) == 0 || !slices.Contains(w.Not, e)) && e.closed(p.checked) == nil
}

// The reasons for which a request is sent again.
const (
	NotConnected = "connect" // there was no connection, so nothing had been sent
	NoAnswer     = "no_answer"
	BadStatus    = "status" // Sick
	BrokeOff     = "broke_off"
)

// Again reports whether a request may be sent once more, to another endpoint,
// and counts it.
func (p *Pool) Again(reason string) bool {
	if !p.budget.spend() {
		return false
	}
	if p.told.Retried != nil {
		p.told.Retried(reason)
	}
	return true
}

// Resumed counts a blob that goes on from another endpoint.
func (p *Pool) Resumed() {
	if p.told.Resumed != nil {
		p.told.Resumed()
	}
}
