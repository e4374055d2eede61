#!lua flags=allow-oom
-- All valid sessions of a user; forgets the index entries of those that are not.
-- KEYS  1 domain, 2 user, 3 user's index
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 session key prefix, 4 user key prefix
-- Returns a description for each.
--@include session
local _, epoch = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
replace_foreign(KEYS[3], 'zset')
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local found = {}
for _, entry in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local key = ARGV[3] .. string.match(entry, ':(.*)$')
  local session = valid_session(key, ARGV[4], epoch, now)
  if session then
    found[#found + 1] = describe(key, KEYS[2], session.ttl)
  else
    redis.call('ZREM', KEYS[3], entry)
  end
end
return found
