-- KEYS: lease; ARGV: owner, ttl in ms, or 0 to give it back
-- Returns 0 if another has it, or nobody.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
