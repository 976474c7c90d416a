-- The holder stores the id of a file before its upload is completed. KEYS: job, files. ARGV: fence, name, id, seconds.
if not held(KEYS[1], ARGV[1]) then return 'lost' end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 'ok'
