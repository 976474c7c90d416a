-- Entries whose holder has not renewed, with their jobs' ids. KEYS: queue. ARGV: group, idle ms, limit. Makes a missing group.
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[2], '-', '+', ARGV[3])
if pending.err then
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
  return {}
end
local found = {}
for _, row in ipairs(pending) do
  local fields = redis.call('XRANGE', KEYS[1], row[1], row[1])
  table.insert(found, {row[1], fields[1] and fields[1][2][2] or ''})
end
return found
