-- The holder lets go. KEYS: job, queue, later. ARGV: fence, group, entry, id, delay ms, reason, attempts allowed (0: handed back, not counted).
if not held(KEYS[1], ARGV[1]) then return 'lost' end
local allowed = tonumber(ARGV[7])
if allowed == 0 then
  redis.call('HINCRBY', KEYS[1], 'attempt', -1)
elseif tonumber(redis.call('HGET', KEYS[1], 'attempt')) >= allowed then
  return 'spent'
end
redis.call('XACK', KEYS[2], ARGV[2], ARGV[3])
redis.call('XDEL', KEYS[2], ARGV[3])
local entry = ''
if ARGV[5] == '0' then
  entry = redis.call('XADD', KEYS[2], '*', 'job', ARGV[4])
else
  redis.call('ZADD', KEYS[3], now() + ARGV[5], ARGV[4])
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'entry', entry)
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'reason', ARGV[6]) end
return 'ok'
