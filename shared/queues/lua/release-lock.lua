--[[
  Gives a lock back, if it still is ours.

  KEYS[1]  the lock
  ARGV[1]  our token
  returns  1 when given back, 0 when it had expired or was taken over
  clock    Redis' (the TTL)
]]
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
