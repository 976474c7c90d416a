-- The holder lives. KEYS: job, queue. ARGV: fence, group, consumer, entry. Answers who cancelled, '' for nobody, false when lost.
if not held(KEYS[1], ARGV[1]) then return false end
redis.call('XCLAIM', KEYS[2], ARGV[2], ARGV[3], 0, ARGV[4], 'JUSTID')
return redis.call('HGET', KEYS[1], 'cancel') or ''
