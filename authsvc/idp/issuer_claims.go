package idp

import (
	"math"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Claims are what a JWT says, by the names it says it under. A value is text
// (numbers and true and false as they are written), a list, or Claims again.
// What is null is not there.
type Claims map[string]any

// flatten makes of JSON what Claims have.
func flatten(value any) any {
	switch v := value.(type) {
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	case []any:
		list := make([]any, 0, len(v))
		for _, one := range v {
			if one != nil {
				list = append(list, flatten(one))
			}
		}
		return list
	case map[string]any:
		claims := make(Claims, len(v))
		for name, one := range v {
			if one != nil {
				claims[name] = flatten(one)
			}
		}
		return claims
	}
	return value
}

// latest is a time far enough from now that sums with it are times, too.
const latest = 1 << 40

// moment reads a NumericDate (RFC 7519 2), which may have a fraction.
func moment(value any) (time.Time, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	seconds, err := number.Float64()
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > latest {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// texts are the values of a claim that is text or a list of it.
func texts(value any) (all []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
