-- KEYS: index, values; ARGV: their state keys
-- Takes those that have expired out of the index.
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then redis.call('ZREM', KEYS[1], ARGV[i - 1]) end
end
return 0
