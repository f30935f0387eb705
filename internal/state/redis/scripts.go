package redis

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// The scripts are what must not be torn apart. The server runs one at a time,
// and by its own clock, so gates need not agree on the time.
var (
	//go:embed put.lua
	putText string
	//go:embed delete.lua
	deleteText string
	//go:embed forget.lua
	forgetText string
	//go:embed limit.lua
	limitText string
	//go:embed acquire.lua
	acquireText string
	//go:embed renew.lua
	renewText string

	putScript     = redis.NewScript(putText)
	deleteScript  = redis.NewScript(deleteText)
	forgetScript  = redis.NewScript(forgetText)
	limitScript   = redis.NewScript(limitText)
	acquireScript = redis.NewScript(acquireText)
	renewScript   = redis.NewScript(renewText)
)
