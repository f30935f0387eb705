package listing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A source is a registry that says what its funcs say.
type source func(ctx context.Context, last string) ([]string, bool, error)

func (s source) Page(ctx context.Context, last string) ([]string, bool, error) { return s(ctx, last) }

// pages is a registry that has names and gives n at a time.
func pages(n int, names ...string) source {
	return func(_ context.Context, last string) ([]string, bool, error) {
		i, found := slices.BinarySearchFunc(names, last, Compare)
		if found {
			i++
		}
		end := min(i+n, len(names))
		return slices.Clone(names[i:end]), end-i == n, nil
	}
}

func TestCompareIsByComponent(t *testing.T) {
	want := []string{"a", "a/b", "a/b/c", "a/z", "a-b", "a.b", "a0", "a_b", "ab", "b"}
	for range 100 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortFunc(got, Compare)
		if !slices.Equal(got, want) {
			t.Fatalf("order is %v, want %v", got, want)
		}
	}
}

// Compare is the order of the lists of components: those of distribution are
// compared with their slashes as the lowest byte there is.
func TestCompareIsAnOrder(t *testing.T) {
	const bytes = "ab/-._0"
	word := func() string {
		b := make([]byte, rand.IntN(6))
		for i := range b {
			b[i] = bytes[rand.IntN(len(bytes))]
		}
		return string(b)
	}
	for range 100_000 {
		a, b := word(), word()
		low := strings.NewReplacer("/", "\x00")
		if got, want := Compare(a, b), strings.Compare(low.Replace(a), low.Replace(b)); got != want {
			t.Fatalf("Compare(%q, %q) = %d, want %d", a, b, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	all := []string{"a/b", "a/c", "a-b", "b", "c"}
	tests := []struct {
		name    string
		source  source
		want    string
		wantErr string
	}{
		{"nothing", pages(2), "", ""},
		{"one page", pages(9, all...), "a/b a/c a-b b c", ""},
		{"pages", pages(2, all...), "a/b a/c a-b b c", ""},
		{"the last page is full", pages(5, all...), "a/b a/c a-b b c", ""},
		{"names that are none", pages(3, "../x", "A", "a", "b/"), "a", ""},
		{"another order", func(context.Context, string) ([]string, bool, error) { return []string{"b", "a", "b"}, false, nil }, "a b", ""},
		{"it repeats itself", func(context.Context, string) ([]string, bool, error) { return []string{"a", "b"}, true, nil }, "", `the page after "b" ends with "b"`},
		{"it goes backwards", func(_ context.Context, last string) ([]string, bool, error) {
			return []string{map[string]string{"": "b"}[last] + "a"}, true, nil
		}, "", `the page after "ba" ends with "a"`},
		{"just as many", pages(1, "a", "b", "c", "d", "e", "f"), "a b c d e f", ""},
		{"too many", pages(1, "a", "b", "c", "d", "e", "f", "g"), "", "there are more than 6 repositories, or their names are too long to be kept"},
		{"too long", pages(1, strings.Repeat("a", 200), strings.Repeat("b", 200)), "", "there are more than 6 repositories, or their names are too long to be kept"},
		{"it fails later", func(_ context.Context, last string) ([]string, bool, error) {
			if last == "" {
				return []string{"a"}, true, nil
			}
			return nil, false, errDown
		}, "", errDown.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := New(tt.source, Options{Most: 6})
			defer l.Close()
			got, err := l.Names(t.Context())
			if err != nil || tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Errorf("Names() = %v, %v; want %s", got, err, tt.wantErr)
				}
				return
			}
			if text := strings.Join(got.Names, " "); text != tt.want {
				t.Errorf("Names() = %s, want %s", text, tt.want)
			}
		})
	}
}

var errDown = errors.New("registry is down")

// A registry is asked once for all who ask at once, and again only when its
// answer is old, while the old one is good enough.
func TestOneFlightForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		l := New(source(func(ctx context.Context, _ string) ([]string, bool, error) {
			time.Sleep(5 * time.Second)
			return []string{fmt.Sprintf("r%d", asked.Add(1))}, false, nil
		}), Options{})
		defer l.Close()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { see(t, l, "r1", nil) })
		}
		all.Wait()
		time.Sleep(59 * time.Second)
		see(t, l, "r1", nil)
		time.Sleep(2 * time.Second)
		start := time.Now()
		see(t, l, "r1", nil) // which begins the next flight
		see(t, l, "r1", nil)
		if took := time.Since(start); took > 0 {
			t.Errorf("an old listing was waited for, %v", took)
		}
		time.Sleep(6 * time.Second)
		see(t, l, "r2", nil)
	})
}

func TestSlowListingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(source(func(ctx context.Context, _ string) ([]string, bool, error) {
			time.Sleep(25 * time.Second)
			return []string{"a"}, false, nil
		}), Options{})
		defer l.Close()
		see(t, l, "", ErrSlow)
		see(t, l, "", ErrSlow)
		see(t, l, "a", nil)
	})
}

func TestLastListingServesWhileTheRegistryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var asked atomic.Int32
		l := New(source(func(context.Context, string) ([]string, bool, error) {
			asked.Add(1)
			if down.Load() {
				return nil, false, errDown
			}
			return []string{"a"}, false, nil
		}), Options{})
		defer l.Close()
		see(t, l, "a", nil)
		down.Store(true)
		for range 59 {
			time.Sleep(time.Minute)
			see(t, l, "a", nil)
		}
		time.Sleep(2 * time.Minute)
		asked.Store(0)
		for range 10 {
			see(t, l, "", errDown) // it is too old
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("a registry that is down was asked %d times within a second", n)
		}
		down.Store(false)
		time.Sleep(2 * time.Second)
		see(t, l, "a", nil)
	})
}

func TestNextGenerationBeginsWithWhatIsKnown(t *testing.T) {
	old := New(pages(1, "a"), Options{})
	see(t, old, "a", nil)
	next := New(pages(1, "b"), Options{})
	next.Inherit(nil)
	next.Inherit(old)
	old.Close()
	see(t, next, "a", nil)
	next.Close()
}

func TestCloseEndsTheFlight(t *testing.T) {
	began := make(chan struct{})
	l := New(source(func(ctx context.Context, _ string) ([]string, bool, error) {
		close(began)
		<-ctx.Done()
		return nil, false, ctx.Err()
	}), Options{})
	told := make(chan error)
	go func() {
		_, err := l.Names(t.Context())
		told <- err
	}()
	<-began
	l.Close()
	if _, err := l.Names(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("afterwards, Names() = %v", err)
	}
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("whoever waited was told %v", err)
	}
}

func TestWhoeverLeavesDoesNotWait(t *testing.T) {
	l := New(source(func(ctx context.Context, _ string) ([]string, bool, error) {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}), Options{})
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Names(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Names() = %v", err)
	}
}

func see(t *testing.T, l *Listing, want string, wantErr error) {
	t.Helper()
	got, err := l.Names(t.Context())
	if !errors.Is(err, wantErr) || err == nil && strings.Join(got.Names, " ") != want {
		t.Errorf("Names() = %v, %v; want %s, %v", got, err, want, wantErr)
	}
}

// What docs and the sample configuration say of a listing.
func TestDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	if o.TTL != time.Minute || o.Patience != 10*time.Second || o.Stale != time.Hour || o.Limit != 15*time.Minute || o.Most != 1_000_000 {
		t.Errorf("defaults are %+v", o)
	}
}
