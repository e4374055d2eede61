--[[
  Remembers that a tick of a schedule was served. Time only goes forward: a tick that is not later than the one
  already there changes nothing.

  KEYS[1]  hash of served ticks
  ARGV[1]  schedule name
  ARGV[2]  tick, milliseconds since 1970
  ARGV[3]  '1' when it was given a run, '0' when it was left out
  returns  1 when remembered, 0 when a later tick was there
  clock    none
]]
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ':tick') or '0')
if tonumber(ARGV[2]) <= last then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1] .. ':tick', ARGV[2])
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1] .. ':run', ARGV[2])
end
return 1
