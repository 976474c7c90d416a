-- A delivery that is not served yet; 0 where somebody keeps it already. KEYS: kept, inbox. ARGV: delivery, hidden record, seconds.
local new = redis.call('SET', KEYS[1], ARGV[2], 'NX', 'EX', ARGV[3])
redis.call('ZADD', KEYS[2], 'NX', now(), ARGV[1])
return new and 1 or 0
