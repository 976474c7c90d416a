-- A delivery makes one job. KEYS: job, delivery, intents, unfinished, recent, minute.
-- ARGV: id, sealed record, user, limit, seconds to keep, length of recent, limit within a minute.
local known = redis.call('GET', KEYS[2])
if known then return {'known', known} end
local at, keep = now(), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', at - keep * 1000)
local unfinished = redis.call('ZCARD', KEYS[4])
if unfinished >= tonumber(ARGV[4]) then return {'many', unfinished} end
local started = tonumber(redis.call('GET', KEYS[6]) or '0')
if started >= tonumber(ARGV[7]) then return {'fast', started} end
if redis.call('INCR', KEYS[6]) == 1 then redis.call('EXPIRE', KEYS[6], 60) end
redis.call('SET', KEYS[2], ARGV[1], 'EX', keep)
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'state', 'intended', 'user', ARGV[3], 'intended', at)
redis.call('ZADD', KEYS[3], at, ARGV[1])
redis.call('ZADD', KEYS[4], at, ARGV[1])
redis.call('EXPIRE', KEYS[4], keep)
redis.call('LPUSH', KEYS[5], ARGV[1])
redis.call('LTRIM', KEYS[5], 0, ARGV[6] - 1)
redis.call('EXPIRE', KEYS[5], keep)
return {'new', ARGV[1]}
