#!lua flags=allow-oom
-- Ends one session. Announced even when it is not there: an earlier attempt may have ended it without having been
-- confirmed, and a worker may still hold it.
-- KEYS  1 domain, 2 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 channel, 6 session hash
-- Returns { inc, seq, settled, members, count }, count being 1 when the session was valid until now.
-- allow-oom: a full Redis must not refuse a logout.
--@include session
local inc, epoch, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
local session = valid_session(KEYS[2], ARGV[3], epoch, now_ms())
redis.call('DEL', KEYS[2])
if session then redis.pcall('ZREM', ARGV[4] .. session.uid, session.id .. ':' .. ARGV[6]) end
local seq = announce(KEYS[1], ARGV[5], inc, 'session', ARGV[6])
return { inc, seq, settled, members(KEYS[1]), session and 1 or 0 }
