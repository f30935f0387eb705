package configs

import (
	"github.com/regate/regate/internal/problem"
	"github.com/regate/regate/internal/state/local"
	"github.com/regate/regate/internal/state/redis"
)

// State is the section state: where the gate keeps what it must find again.
type State struct {
	local.Config `yaml:",inline"`

	// Redis is what the gates of a fleet share. Path is then the copy that this
	// one goes on with while it is away. Default: the gate is alone.
	Redis *redis.Config `yaml:"redis"`
}

// Validate returns every mistake as a problem.List.
func (s State) Validate() error {
	var bad problem.List
	bad.Under("", s.Config.Validate())
	if s.Redis != nil {
		bad.Under("redis", s.Redis.Validate())
		if s.KeyFile != "" {
			bad.Addf("key_file", "is of a gate that is alone; with redis the key is redis.key_file")
		}
	}
	return bad.Err()
}
