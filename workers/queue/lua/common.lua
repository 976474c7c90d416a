-- Before every script: the time in milliseconds, and whether a fence still holds a running job.
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function held(job, fence)
  local seen = redis.call('HMGET', job, 'fence', 'state')
  return seen[1] == fence and seen[2] == 'running'
end
