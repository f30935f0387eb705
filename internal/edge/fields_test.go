package edge

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// TestManyFields counts what memory is taken for: keys, values of one key, and
// trailers that are announced.
func TestManyFields(t *testing.T) {
	h := Stack(Handler(ignore), Log(nil, nil), Recover, LimitFields)
	for _, tt := range []struct {
		name   string
		change func(r *http.Request, n int)
		over   int // the answer to one too many; 0 is none
	}{
		{"keys", func(r *http.Request, n int) { r.Header.Set("X-"+strconv.Itoa(n), "") }, http.StatusRequestHeaderFieldsTooLarge},
		{"values", func(r *http.Request, _ int) { r.Header.Add("Accept", "a/b") }, http.StatusRequestHeaderFieldsTooLarge},
		{"trailers", func(r *http.Request, n int) { r.Trailer["X-"+strconv.Itoa(n)] = nil }, 0},
	} {
		for n, want := range map[int]int{maxFields: http.StatusOK, maxFields + 1: tt.over} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Trailer = http.Header{}
			for i := range n {
				tt.change(r, i)
			}
			if got := statusOf(h, r); got != want {
				t.Errorf("%d %s: %d, want %d", n, tt.name, got, want)
			}
		}
	}
}

// statusOf is 0 if h breaks the connection.
func statusOf(h http.Handler, r *http.Request) (status int) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestServerKeepsNoHeader: its request lives until the answer has been taken.
func TestServerKeepsNoHeader(t *testing.T) {
	servers := httptest.NewRequest(http.MethodGet, "/", nil)
	servers.Header.Set("Accept", "a/b")
	h := Stack(Handler(func(w http.ResponseWriter, r *http.Request) error {
		if servers.Header != nil {
			t.Errorf("the server still has %v", servers.Header)
		}
		_, err := io.WriteString(w, r.Header.Get("Accept"))
		return err
	}), Log(nil, nil))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, servers)
	if got := w.Body.String(); got != "a/b" {
		t.Errorf("the handler saw %q", got)
	}
}
