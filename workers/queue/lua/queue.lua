-- From intended to queued, once. KEYS: job, queue, intents. ARGV: id.
local seen = redis.call('HMGET', KEYS[1], 'state', 'ts')
if not seen[1] then return 'unknown' end
if seen[1] ~= 'intended' then return seen[1] end
if not seen[2] then return 'unplaced' end
local entry = redis.call('XADD', KEYS[2], '*', 'job', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'entry', entry, 'queued', now())
redis.call('ZREM', KEYS[3], ARGV[1])
return 'queued'
