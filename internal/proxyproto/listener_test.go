package proxyproto

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilence has balancers that look whether anybody is there, and one that
// says nothing: only of that one is anything told, and nobody waits for it.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		defer r.end(t)
		began := time.Now()
		var silent *peer
		go func() {
			_, silent = r.connect()
			for range 20 {
				c, _ := r.connect()
				_ = c.Close()
			}
			c, _ := r.connect()
			_, _ = io.WriteString(c, viaV4)
		}()
		c, err := r.Accept()
		if err != nil || time.Since(began) > 0 {
			t.Fatalf("Accept() = %v after %v", err, time.Since(began))
		}
		if got := c.RemoteAddr().String(); got != "192.0.2.7:4660" {
			t.Errorf("client %s", got)
		}
		<-silent.ended
		if took := time.Since(began); took != patience {
			t.Errorf("waited %v for a header, want %v", took, patience)
		}
		synctest.Wait()
		if got := r.told(); len(got) != 1 {
			t.Errorf("refused: %q, want one", got)
		}
		_ = c.Close()
	})
}

// TestDrip sends headers byte by byte: a whole one has all the time that there
// is, and no more.
func TestDrip(t *testing.T) {
	for pace, want := range map[time.Duration]bool{10 * time.Millisecond: true, patience / 10: false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig()
			defer r.end(t)
			var drip sync.WaitGroup
			defer drip.Wait()
			drip.Go(func() {
				c, ours := r.connect()
				for i := range viaV4 {
					if _, err := io.WriteString(c, viaV4[i:i+1]); err != nil {
						break
					}
					time.Sleep(pace)
				}
				<-ours.ended
				_ = r.Listener.Close()
			})
			began := time.Now()
			c, err := r.Accept()
			if got := err == nil; got != want {
				t.Errorf("a byte each %v: accepted %v, want %v", pace, got, want)
			}
			if err == nil {
				_ = c.Close()
			} else if len(r.told()) != 1 || time.Since(began) > patience+pace {
				t.Errorf("refused: %q after %v", r.told(), time.Since(began))
			}
		})
	}
}

// TestDeadlineIsTakenBack: once there is a header, the client has its own time.
func TestDeadlineIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		defer r.end(t)
		go func() {
			c, _ := r.connect()
			_, _ = io.WriteString(c, local)
			time.Sleep(10 * patience)
			_, _ = io.WriteString(c, "late")
		}()
		c, err := r.Accept()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		if n, err := io.ReadFull(c, buf); err != nil {
			t.Errorf("Read() = %d, %v", n, err)
		}
		_ = c.Close()
	})
}

// TestOnlySoManyWait: whoever counts them in decides.
func TestOnlySoManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.most = 3
		defer r.end(t)
		over := make(chan error, 1)
		go func() {
			_, err := r.Accept()
			over <- err
		}()
		closed := 0
		for range 10 {
			_, ours := r.connect()
			synctest.Wait()
			select {
			case <-ours.ended:
				closed++
			default:
			}
		}
		if closed != 7 {
			t.Errorf("%d of 10 closed, want 7", closed)
		}
		began := time.Now()
		_ = r.Listener.Close()
		if err := <-over; !errors.Is(err, net.ErrClosed) || time.Since(began) > 0 {
			t.Errorf("Accept() = %v after %v", err, time.Since(began))
		}
		if len(r.told()) != 0 {
			t.Errorf("what the end cut is told: %q", r.told())
		}
	})
}

// TestInnerIsClosed, as a gate does that will end, and serves who is there: that
// is also whoever waits for his header.
func TestInnerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		defer r.end(t)
		go func() {
			late, _ := r.connect()
			_, _ = r.connect() // says nothing
			_ = r.street.Close()
			synctest.Wait()
			_, _ = io.WriteString(late, viaV4)
		}()
		began := time.Now()
		c, err := r.Accept()
		if err != nil {
			t.Fatalf("Accept() = %v, want who came before the end", err)
		}
		_ = c.Close()
		if _, err := r.Accept(); !errors.Is(err, net.ErrClosed) || time.Since(began) != patience {
			t.Errorf("Accept() = %v after %v, want the end after %v", err, time.Since(began), patience)
		}
	})
}

func TestClosedBeforeItBegan(t *testing.T) {
	r := newRig()
	_ = r.Listener.Close()
	if _, err := r.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept() = %v", err)
	}
	if err := r.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the second Close() = %v", err)
	}
}
