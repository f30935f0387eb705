package edge

import (
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/regate/regate/internal/oci"
)

// statusGone is the status, in the log alone, of a request whose client went
// away before it was answered.
const statusGone = 499

// Longest texts of a line. What clients choose must not fill a disk.
const (
	maxPath = 512
	maxText = 256
)

// An Outcome is what became of a request, for the metrics.
type Outcome struct {
	Op      string // "" if the request was refused before it was understood
	Status  int    // 499 if the client went away before it was answered
	In, Out int64  // bytes of the bodies
	Took    time.Duration
	Broken  bool // the answer was cut off
}

// Log writes one line for each request when it is over, however it ended, and
// hands what it measured to observe, which may be nil. It is the outermost
// middleware. The line has neither headers nor the query; it is of level
// error if the operator must act, warn if something behind the gate failed.
func Log(log *zap.Logger, observe func(Outcome)) Middleware {
	if log == nil {
		log = zap.NewNop()
	}
	if observe == nil {
		observe = func(Outcome) {}
	}
	lines := &liner{log: log}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, w, r := enter(w, r)
			done := false
			defer func() {
				o := s.outcome(!done)
				observe(o)
				lines.write(s, r, o)
			}()
			next.ServeHTTP(w, r)
			done = true
		})
	}
}

// outcome sums the request up; aborted says that its handler panicked.
func (s *scope) outcome(aborted bool) Outcome {
	o := Outcome{
		Op:     s.record.Op,
		Status: s.writer.status,
		In:     s.body.bytes.Load(),
		Out:    s.writer.bytes,
		Took:   time.Since(s.start),
		Broken: aborted && s.writer.status != 0,
	}
	switch {
	case o.Status != 0:
	case s.gone():
		o.Status = statusGone
	case !aborted:
		o.Status = http.StatusOK
	}
	return o
}

// A liner writes lines. It uses the memory of their fields again.
type liner struct {
	log    *zap.Logger
	fields sync.Pool // of *[]zap.Field
}

func (l *liner) write(s *scope, r *http.Request, o Outcome) {
	entry := l.log.Check(level(s.record.Err, o.Status), "request")
	if entry == nil {
		return
	}
	buf, ok := l.fields.Get().(*[]zap.Field)
	if !ok {
		buf = new([]zap.Field)
	}
	fields := s.wire((*buf)[:0], r, o)
	fields = s.record.fields(fields)
	entry.Write(fields...)
	clear(fields)
	*buf = fields
	l.fields.Put(buf)
}

// wire appends what could be seen from outside.
func (s *scope) wire(f []zap.Field, r *http.Request, o Outcome) []zap.Field {
	f = append(f,
		zap.String("method", clip(r.Method, maxText)),
		zap.String("path", clip(r.URL.EscapedPath(), maxPath)),
		zap.Int("status", o.Status),
		zap.Int64("in", o.In),
		zap.Int64("out", o.Out),
		zap.Duration("took", o.Took),
		zap.String("host", clip(r.Host, maxText)),
		zap.String("proto", r.Proto),
	)
	if s.client.IsValid() {
		f = append(f, zap.String("client", s.client.String()))
	}
	if r.TLS != nil {
		f = append(f, zap.String("tls", tls.VersionName(r.TLS.Version)))
	}
	if o.Broken {
		f = append(f, zap.Bool("broken", true))
	}
	return f
}

// fields appends what the steps learnt.
func (rec *Record) fields(f []zap.Field) []zap.Field {
	for _, t := range [...]struct{ key, value string }{
		{"op", rec.Op}, {"repo", rec.Repo}, {"subject", rec.Subject}, {"robot", rec.Robot}, {"token", rec.TokenID}, {"family", rec.Family},
		{"route", rec.Route}, {"upstream", rec.Upstream},
	} {
		if t.value != "" {
			f = append(f, zap.String(t.key, clip(t.value, maxText)))
		}
	}
	if rec.Err != nil {
		e := oci.AsError(rec.Err)
		f = append(f, zap.Stringer("kind", e.Kind), zap.Error(rec.Err))
	}
	if rec.stack != nil {
		f = append(f, zap.ByteString("stack", rec.stack))
	}
	return f
}

// level is that of the line of a request that failed with err. Nobody has to
// act on what a client did wrong, or did not wait for, nor on the end of a gate.
func level(err error, status int) zapcore.Level {
	if err == nil || status == statusGone || errors.Is(err, errDraining) {
		return zapcore.InfoLevel
	}
	switch oci.AsError(err).Kind {
	case oci.Internal, oci.BadGateway:
		return zapcore.ErrorLevel
	case oci.Unavailable, oci.Unreachable:
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

func clip(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
