-- Marks an unfinished job; whoever runs it, or takes it next, ends it. KEYS: job, unfinished. ARGV: id, who. Answers its state.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'intended' or state == 'queued' or state == 'running' then
  redis.call('HSETNX', KEYS[1], 'cancel', ARGV[2])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return state
