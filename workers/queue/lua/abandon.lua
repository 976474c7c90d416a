-- A job that was never queued is not wanted any more. KEYS: job, intents, unfinished. ARGV: id, reason, seconds to keep.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'intended' then return state end
redis.call('HSET', KEYS[1], 'state', 'refused', 'reason', ARGV[2], 'finished', now())
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 'refused'
