#!lua flags=allow-oom
-- In which generation of its user is this session valid? The epoch is a part of the answer: in a later one all that was
-- known of generations may be out of date.
-- KEYS  1 domain, 2 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix
-- Returns { inc, seq, 'epoch generation' or false }.
--@include session
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
local session = valid_session(KEYS[2], ARGV[3], epoch, now_ms())
if not session then return { inc, seq, false } end
return { inc, seq, epoch .. ' ' .. redis.call('HGET', KEYS[2], 'gen') }
