-- KEYS: value, and the index of its group if it is in one
-- ARGV: data, wanted revision or '', fence, ttl in ms, state key, channel
-- Returns the revision, or nothing if there is a conflict.
local old = redis.call('HMGET', KEYS[1], 'r', 'f')
local rev, fence = old[1] or '0', tonumber(old[2] or 0)
if ARGV[2] ~= '' and ARGV[2] ~= rev then return false end
if tonumber(ARGV[3]) > 0 and tonumber(ARGV[3]) < fence then return false end

-- The time in microseconds grows over a delete, and over the loss of everything.
local t = redis.call('TIME')
local new = string.format('%.0f', math.max(tonumber(rev) + 1, t[1] * 1000000 + t[2]))
if tonumber(ARGV[3]) > fence then fence = tonumber(ARGV[3]) end

local ttl = tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'd', ARGV[1], 'r', new, 'f', string.format('%.0f', fence))
if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) else redis.call('PERSIST', KEYS[1]) end

-- The index lives as long as the last of its values.
if KEYS[2] then
  local left = redis.call('PTTL', KEYS[2])
  redis.call('ZADD', KEYS[2], 0, ARGV[5])
  if ttl == 0 then redis.call('PERSIST', KEYS[2])
  elseif left ~= -1 and left < ttl then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
end
redis.pcall('PUBLISH', ARGV[6], ARGV[5]) -- a hint: that it may be forbidden is no error
return new
