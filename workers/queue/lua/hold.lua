-- Those who serve these deliveries live. KEYS: inbox. ARGV: deliveries.
local at = now()
for _, delivery in ipairs(ARGV) do redis.call('ZADD', KEYS[1], 'XX', at, delivery) end
return #ARGV
