-- What lies there although its bot should have taken it away: the bot has died. Each is given to one caller, and to the next one
-- after the same time. KEYS: intents or inbox. ARGV: ms, limit.
local at = now()
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at - ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], at, id) end
return ids
