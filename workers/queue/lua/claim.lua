-- A worker makes an entry of the queue its own. KEYS: job, queue. ARGV: group, consumer, entry, idle ms (0: just read), worker.
-- An entry that its job does not know, or whose job is over, is 'gone'; one that somebody else has in hand is 'taken'.
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return {'gone'} end
local seen = redis.call('HMGET', KEYS[1], 'record', 'state', 'entry', 'claimed')
if not seen[1] or seen[3] ~= ARGV[3] or (seen[2] ~= 'queued' and seen[2] ~= 'running') then return {'gone'} end
if ARGV[4] ~= '0' then
  local got = redis.call('XCLAIM', KEYS[2], ARGV[1], ARGV[2], ARGV[4], ARGV[3], 'JUSTID')
  if #got == 0 then return {'taken'} end
elseif seen[4] == ARGV[3] then
  return {'taken'}
end
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HSET', KEYS[1], 'state', 'running', 'claimed', ARGV[3], 'worker', ARGV[5])
redis.call('HSETNX', KEYS[1], 'started', now())
local rest = redis.call('HMGET', KEYS[1], 'user', 'cancel', 'reason')
return {'yours', seen[1], fence, attempt, rest[1] or '', rest[2] or '', rest[3] or ''}
