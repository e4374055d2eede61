#!lua flags=allow-oom
-- Is this session valid, and whose is it? Marks it as used when that was last done `throttle` ms ago or longer.
-- KEYS  1 domain, 2 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 session hash, 6 idle ms,
--       7 throttle ms, 8 '1' to return the data fields too
-- Returns { inc, seq } and, when there is one, 'corrupt' or the description and (on demand) the flat data fields.
-- allow-oom: a full Redis must not turn valid sessions away.
--@include session
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local session, fault = valid_session(KEYS[2], ARGV[3], epoch, now)
if not session then return { inc, seq, fault or false } end

local ttl = session.ttl
if now - session.seen >= tonumber(ARGV[7]) then
  ttl = touch_session(KEYS[2], ARGV[5], ARGV[4], session, tonumber(ARGV[6]), now)
  if ttl == 0 then return { inc, seq, false } end
end
local data = ARGV[8] == '1' and redis.call('HGETALL', KEYS[2]) or false
return { inc, seq, describe(KEYS[2], ARGV[3] .. session.uid, ttl), data }
