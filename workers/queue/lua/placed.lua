-- The first ts of a job's message stays. KEYS: job. ARGV: ts.
if redis.call('HEXISTS', KEYS[1], 'record') == 0 then return false end
redis.call('HSETNX', KEYS[1], 'ts', ARGV[1])
return redis.call('HGET', KEYS[1], 'ts')
