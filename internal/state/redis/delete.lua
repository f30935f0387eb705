-- KEYS: value, and the index of its group if it is in one
-- ARGV: wanted revision or '0', state key, channel
-- Returns 0 if there is a conflict.
local rev = redis.call('HGET', KEYS[1], 'r')
if ARGV[1] ~= '0' and ARGV[1] ~= rev then return 0 end
if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[2]) end
if redis.call('DEL', KEYS[1]) == 1 then redis.pcall('PUBLISH', ARGV[3], ARGV[2]) end
return 1
