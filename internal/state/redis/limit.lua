-- state.Limit.Take, in microseconds of the server's clock.
-- KEYS: bucket; ARGV: every, burst, cost
-- Returns how long to wait, 0 if cost was taken.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local every, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local after, full = bucket + cost * every, now + burst * every
if cost > 0 and after > full then
  return string.format('%.0f', math.min(after - full, burst * every))
end
if after > now then
  redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', string.format('%.0f', math.ceil((after - now) / 1000)))
else
  redis.call('DEL', KEYS[1])
end
return '0'
