-- The ids of jobs whose next attempt is due. KEYS: later. ARGV: limit.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now(), 'LIMIT', 0, ARGV[1])
