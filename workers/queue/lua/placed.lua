-- The first ts of a job's message stays, unless it is the one that was found to be forged. KEYS: job. ARGV: sealed ts, forged one or ''.
if redis.call('HEXISTS', KEYS[1], 'record') == 0 then return false end
local there = redis.call('HGET', KEYS[1], 'ts')
if there and there ~= ARGV[2] then return there end
redis.call('HSET', KEYS[1], 'ts', ARGV[1])
return ARGV[1]
