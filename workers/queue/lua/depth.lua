-- How many jobs are where. KEYS: queue, intents, later, dead. ARGV: group.
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
local running = pending.err and 0 or pending[1]
return {
  redis.call('ZCARD', KEYS[2]), redis.call('XLEN', KEYS[1]) - running, running, redis.call('ZCARD', KEYS[3]), redis.call('LLEN', KEYS[4]),
}
