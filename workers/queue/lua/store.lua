-- The holder stores data of its job that expires. KEYS: job, target. ARGV: fence, value, seconds.
if not held(KEYS[1], ARGV[1]) then return 'lost' end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 'ok'
