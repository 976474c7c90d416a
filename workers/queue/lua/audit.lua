-- Entries of one writer in their order; those that are there already stay. KEYS: chain, writers.
-- ARGV: writer, ms of its last entry, seconds to keep, then id and record of each. Answers 'ok', or why the chain takes no more.
local keep = tonumber(ARGV[3]) * 1000
local oldest = math.max(0, now() - keep)
for i = 4, #ARGV, 2 do
  local added = redis.pcall('XADD', KEYS[1], ARGV[i], 'r', ARGV[i + 1])
  if type(added) == 'table' and added.err then
    local there = redis.pcall('XRANGE', KEYS[1], ARGV[i], ARGV[i])
    if there.err or #there ~= 1 or there[1][2][2] ~= ARGV[i + 1] then return added.err end
  end
end
redis.call('XTRIM', KEYS[1], 'MINID', '~', oldest)
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', oldest)
return 'ok'
