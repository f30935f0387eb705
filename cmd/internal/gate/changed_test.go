package gate

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/regate/regate/configs"
	"github.com/regate/regate/internal/state/redis"
)

func TestChangedNamesKeys(t *testing.T) {
	proxy := configs.Network{Prefix: netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		name   string
		change func(*configs.Listen, *configs.State)
		want   []string
	}{
		{"nothing", func(*configs.Listen, *configs.State) {}, nil},
		{"an empty list", func(l *configs.Listen, _ *configs.State) { l.TrustedProxies = []configs.Network{} }, nil},
		{"a list", func(l *configs.Listen, _ *configs.State) { l.TrustedProxies = []configs.Network{proxy} }, []string{"listen.trusted_proxies"}},
		{"a section below", func(l *configs.Listen, _ *configs.State) { l.Limits.HeaderTime = time.Minute }, []string{"listen.limits.header_time"}},
		{"two", func(l *configs.Listen, s *configs.State) { l.HTTP, s.Path = "", "/other" }, []string{"listen.http", "state.path"}},
		{"below a pointer", func(_ *configs.Listen, s *configs.State) { s.Redis = &redis.Config{DB: 1} }, []string{"state.redis.db"}},
		{"a section that goes", func(_ *configs.Listen, s *configs.State) { s.Redis = nil }, []string{"state.redis"}},
		{"one that comes, below", func(_ *configs.Listen, s *configs.State) { s.Redis = &redis.Config{TLS: &redis.TLS{}} }, []string{"state.redis.tls"}},
	} {
		was, wasState := configs.Listen{HTTP: ":80"}, configs.State{Redis: new(redis.Config)}
		is, isState := was, wasState
		tt.change(&is, &isState)
		got := slices.Concat(changedKeys("listen", was, is), changedKeys("state", wasState, isState))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: changedKeys() = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestChangedSeesEachKey: a key that has no name in its tag would be told of
// by none, and one that cannot be read would panic.
func TestChangedSeesEachKey(t *testing.T) {
	for _, section := range []any{configs.Listen{}, configs.State{Redis: &redis.Config{TLS: new(redis.TLS)}}} {
		eachKey(t, reflect.ValueOf(section).Type())
		if got := changedKeys("section", section, section); got != nil {
			t.Errorf("changedKeys() = %q for one that is the same", got)
		}
	}
}

func eachKey(t *testing.T, section reflect.Type) {
	t.Helper()
	for f := range section.Fields() {
		if !f.IsExported() || f.Tag.Get("yaml") == "" {
			t.Errorf("%v.%s has no key", section, f.Name)
		}
		under := f.Type
		if under.Kind() == reflect.Pointer {
			under = under.Elem()
		}
		if under.Kind() == reflect.Struct {
			eachKey(t, under)
		}
	}
}
