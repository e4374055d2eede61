#!lua flags=allow-oom
-- Ends a session of an application's own store. That of a guest is in nobody's memory, so no one has to hear of it. One
-- that is not there is announced: an earlier attempt may have ended it without having been confirmed.
-- KEYS  1 domain, 2 session, 3 guest session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 channel,
--       6 session hash
-- Returns { inc, seq, settled, members, count, '1' when it was announced }, count being 1 when it was valid until now.
-- allow-oom: a full Redis must not refuse a logout.
--@include stored
local inc, epoch, known_seq, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local session = valid_session(KEYS[2], ARGV[3], epoch, now)
local guest = valid_guest(KEYS[3], epoch, now)
local quiet = guest and not redis.call('HGET', KEYS[3], 'was') and redis.call('EXISTS', KEYS[2]) == 0
redis.call('DEL', KEYS[2], KEYS[3])
if session then redis.pcall('ZREM', ARGV[4] .. session.uid, session.id .. ':' .. ARGV[6]) end
if quiet then return { inc, known_seq, settled, {}, 1, '0' } end
local seq = announce(KEYS[1], ARGV[5], inc, 'session', ARGV[6])
return { inc, seq, settled, members(KEYS[1]), (session or guest) and 1 or 0, '1' }
