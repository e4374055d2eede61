#!lua flags=allow-oom
-- The valid sessions among some entries of a user's index; forgets the entries of those that are not. Redis serves
-- no one else meanwhile, so the caller asks for few at a time.
-- KEYS  1 domain, 2 user, 3 user's index
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 session key prefix, 4 user key prefix, 5.. entries
-- Returns a description for each.
--@include session
local _, epoch = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
replace_foreign(KEYS[3], 'zset')
local found = {}
for i = 5, #ARGV do
  local key = ARGV[3] .. string.match(ARGV[i], ':(.*)$')
  local session = valid_session(key, ARGV[4], epoch, now)
  if session then
    found[#found + 1] = describe(key, KEYS[2], session.ttl)
  else
    redis.call('ZREM', KEYS[3], ARGV[i])
  end
end
return found
