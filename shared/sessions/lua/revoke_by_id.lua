#!lua flags=allow-oom
-- Ends the session of this user that has this public id. Announced for the whole user, also when there is no such
-- session: an earlier attempt may have ended it without having been confirmed. One that has is noted until its caller was
-- answered, so that asking again finds that there was a session, and does not take it for one that never was.
-- KEYS  1 domain, 2 user, 3 user's index, 4 the note
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 session key prefix, 4 user key prefix, 5 channel, 6 user id, 7 session id,
--       8 lifetime ms of the note
-- Returns { inc, seq, settled, members, count }.
--@include session
local inc, epoch, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[3], 'zset')
local count = 0
for _, entry in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local id, hash = string.match(entry, '^([^:]*):(.*)$')
  if id == ARGV[7] then
    if valid_session(ARGV[3] .. hash, ARGV[4], epoch, now_ms()) then count = 1 end
    redis.call('DEL', ARGV[3] .. hash)
    redis.call('ZREM', KEYS[3], entry)
  end
end
if count == 1 then
  redis.call('SET', KEYS[4], 1, 'PX', ARGV[8])
elseif redis.call('EXISTS', KEYS[4]) == 1 then
  count = 1
end
local seq = announce(KEYS[1], ARGV[5], inc, 'user', ARGV[6])
return { inc, seq, settled, members(KEYS[1]), count }
