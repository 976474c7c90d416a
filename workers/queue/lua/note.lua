-- The holder writes a field of its job. KEYS: job. ARGV: fence, field, value.
if not held(KEYS[1], ARGV[1]) then return 'lost' end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 'ok'
