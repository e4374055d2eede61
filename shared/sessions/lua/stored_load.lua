#!lua flags=allow-oom
-- A session of an application's own store with its data. Marks it as used when that was last done `throttle` ms ago or
-- longer.
-- KEYS  1 domain, 2 session, 3 guest session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 session hash,
--       6 idle ms, 7 throttle ms
-- Returns { inc, seq, 'user' | 'guest' | 'corrupt' | false, user id or '', flat fields or false }.
-- allow-oom: a full Redis must not turn valid sessions away.
--@include stored
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local idle = tonumber(ARGV[6])
local session, fault = valid_session(KEYS[2], ARGV[3], epoch, now)
if session then
  local due = now - session.seen >= tonumber(ARGV[7])
  if due and touch_session(KEYS[2], ARGV[5], ARGV[4], session, idle, now) == 0 then return { inc, seq, false } end
  return { inc, seq, 'user', session.uid, redis.call('HGETALL', KEYS[2]) }
end
local guest, other_fault = valid_guest(KEYS[3], epoch, now)
if not guest then return { inc, seq, fault or other_fault or false } end
local due = now - guest.seen >= tonumber(ARGV[7])
if due and touch_guest(KEYS[3], guest, idle, now) == 0 then return { inc, seq, false } end
return { inc, seq, 'guest', '', redis.call('HGETALL', KEYS[3]) }
