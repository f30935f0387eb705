package edge

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTurnAway(t *testing.T) {
	var d Draining
	h := d.TurnAway(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	for _, want := range []string{"", "close"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := w.Header().Get("Connection"); got != want || w.Code != http.StatusAccepted {
			t.Errorf("draining %v: %d, Connection: %q, want %q", d.On(), w.Code, got, want)
		}
		d.Start()
	}
}
