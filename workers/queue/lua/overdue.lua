-- Intents whose bot has died; each is given to one caller, and to the next one after the same time. KEYS: intents. ARGV: ms, limit.
local at = now()
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at - ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], at, id) end
return ids
