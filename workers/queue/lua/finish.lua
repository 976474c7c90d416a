-- The holder ends its job; saying so twice is once. KEYS: job, queue, unfinished, dead.
-- ARGV: fence, group, entry, id, state, reason, seconds to keep, length of dead, '1' to write a dead letter.
local seen = redis.call('HMGET', KEYS[1], 'fence', 'state')
if seen[1] == ARGV[1] and seen[2] == ARGV[5] then return 'ok' end
if not held(KEYS[1], ARGV[1]) then return 'lost' end
local at = now()
redis.call('HSET', KEYS[1], 'state', ARGV[5], 'reason', ARGV[6], 'finished', at)
redis.call('XACK', KEYS[2], ARGV[2], ARGV[3])
redis.call('XDEL', KEYS[2], ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[7])
if ARGV[9] == '1' then
  redis.call('LPUSH', KEYS[4], cjson.encode({job = ARGV[4], reason = ARGV[6], at = at}))
  redis.call('LTRIM', KEYS[4], 0, ARGV[8] - 1)
end
return 'ok'
