-- A job that waited for another attempt is queued, once. KEYS: job, queue, later. ARGV: id.
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 or redis.call('HGET', KEYS[1], 'state') ~= 'queued' then return false end
local entry = redis.call('XADD', KEYS[2], '*', 'job', ARGV[1])
redis.call('HSET', KEYS[1], 'entry', entry)
return entry
