-- KEYS: lease, fence; ARGV: owner, ttl in ms, life of the fence in ms
-- Returns the fence, or nothing if another has the lease.
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local t = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, t[1] * 1000000 + t[2])
fence = string.format('%.0f', fence)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], fence, 'PX', ARGV[3])
return fence
