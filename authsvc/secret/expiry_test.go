package secret

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/regate/regate/internal/state"
)

// ending is what looks at the secrets of r, with what it says.
func (r *rig) ending() (*Ending, *observer.ObservedLogs) {
	core, logs := observer.New(zap.WarnLevel)
	return NewEnding(New(r.store, r.Now, zap.New(core))), logs
}

func (r *rig) looks(t *testing.T, e *Ending, want map[string]int) {
	t.Helper()
	if err := e.look(t.Context()); err != nil || !maps.Equal(e.Counts(), want) {
		t.Errorf("at %v: counts %v, %v; want %v", r.clock.now, e.Counts(), err, want)
	}
}

func TestEnding(t *testing.T) {
	r := newRig(t)
	e, logs := r.ending()
	if len(e.Counts()) != 0 {
		t.Errorf("before the first look: %v", e.Counts())
	}
	r.looks(t, e, map[string]int{"1d": 0, "7d": 0, "30d": 0})
	_, tok := r.robot(t)    // ends in 90 days
	r.make(t, "alice", "m") // a personal token that ends tomorrow
	if _, _, err := r.Create(t.Context(), Token{Kind: Robot, Owner: "team-ci", Name: "endless"}); err != nil {
		t.Fatal(err)
	}
	r.looks(t, e, map[string]int{"1d": 0, "7d": 0, "30d": 0})
	for _, step := range []struct {
		left time.Duration
		want map[string]int
	}{
		{30*day + 1, map[string]int{"1d": 0, "7d": 0, "30d": 0}},
		{30 * day, map[string]int{"1d": 0, "7d": 0, "30d": 1}},
		{7 * day, map[string]int{"1d": 0, "7d": 1, "30d": 1}},
		{day, map[string]int{"1d": 1, "7d": 1, "30d": 1}},
		{0, map[string]int{"1d": 0, "7d": 0, "30d": 0}},
	} {
		r.clock.now = tok.Expires.Add(-step.left)
		r.looks(t, e, step.want)
	}
	lines := logs.TakeAll()
	if len(lines) != 2 { // seven days before, and one
		t.Fatalf("%d warnings: %v", len(lines), lines)
	}
	if got := lines[0].ContextMap(); got["robot"] != "deploy" || got["subject"] != "team-ci" || got["family"] != tok.ID || got["expires"] == nil {
		t.Errorf("the warning says %v", got)
	}
}

// TestEndingWarnsOnceADay, however often it looks.
func TestEndingWarnsOnceADay(t *testing.T) {
	r := newRig(t)
	e, logs := r.ending()
	_, tok := r.robot(t)
	r.clock.now = tok.Expires.Add(-3 * day)
	days := map[int64]bool{}
	for range 60 { // hours
		if err := e.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		days[r.clock.now.Unix()/86400] = true
		r.clock.now = r.clock.now.Add(time.Hour)
	}
	if got := logs.Len(); got != len(days) {
		t.Errorf("%d warnings in %d days", got, len(days))
	}
}

// TestReplacedMayEnd: nobody is warned of what was rotated, but of the new one.
func TestReplacedMayEnd(t *testing.T) {
	r := newRig(t)
	e, logs := r.ending()
	r.robot(t)
	r.rotate(t, time.Hour)
	r.looks(t, e, map[string]int{"1d": 0, "7d": 0, "30d": 0})
	if logs.Len() != 0 {
		t.Errorf("%v", logs.All())
	}
}

// TestEndingOfMany: each day's lines are bounded, and the counts are whole.
func TestEndingOfMany(t *testing.T) {
	r := newRig(t)
	e, logs := r.ending()
	for i := range mostWarnings + 20 {
		if _, _, err := r.Create(t.Context(), Token{Kind: Robot, Owner: fmt.Sprint("ci-", i), Name: "deploy", Expires: r.clock.now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	n := mostWarnings + 20
	r.looks(t, e, map[string]int{"1d": n, "7d": n, "30d": n})
	if got := logs.Len(); got != mostWarnings+1 {
		t.Errorf("%d lines", got)
	}
	if last := logs.All()[mostWarnings].ContextMap(); last["robots"] != int64(20) {
		t.Errorf("the last line says %v", last)
	}
}

// TestEndingOfBrokenState: what was counted stays, and one record that cannot be
// read hides no other.
func TestEndingOfBrokenState(t *testing.T) {
	r := newRig(t)
	e, _ := r.ending()
	_, tok := r.robot(t)
	if _, err := r.Store().Put(t.Context(), area+"broken", []byte("{"), state.PutOpts{}); err != nil {
		t.Fatal(err)
	}
	r.clock.now = tok.Expires.Add(-time.Hour)
	want := map[string]int{"1d": 1, "7d": 1, "30d": 1}
	r.looks(t, e, want)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.look(gone); !errors.Is(err, context.Canceled) || !maps.Equal(e.Counts(), want) {
		t.Errorf("look() = %v, counts %v", err, e.Counts())
	}
}

// A crowded store has many secrets, none of which is anywhere.
type crowded struct {
	state.Store
	record []byte
}

const crowd = 200_000

func (c crowded) List(context.Context, string) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		for i := range crowd {
			if !yield(state.Entry{Key: fmt.Sprintf("%s%014d", area, i), Value: state.Value{Data: c.record}}, nil) {
				return
			}
		}
	}
}

// TestEndingHoldsNothing of many secrets.
func TestEndingHoldsNothing(t *testing.T) {
	now := time.Now()
	e := NewEnding(New(crowded{record: fmt.Appendf(nil, `{"kind":"robot","owner":"team-ci","name":"deploy","expires":%d}`, now.Add(time.Hour).Unix())}, nil, nil))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := e.look(t.Context()); err != nil || e.Counts()["1d"] != crowd {
		t.Fatalf("look() = %v, %v", e.Counts(), err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes are held", grown)
	}
	runtime.KeepAlive(e)
}
