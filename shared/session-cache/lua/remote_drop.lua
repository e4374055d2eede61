#!lua flags=allow-oom
-- Forgets what is kept of all tokens of a user, or of everybody, at the same cost however many there are.
-- KEYS  1 domain, 2 mark of the user or of everybody
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 channel, 4 kind, 5 user id or '', 6 ms that the mark
--       lasts: longer than anything that it speaks against
-- Returns { inc, seq, settled, members, 0 }.
--@include remote
local inc, _, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
local seq = announce(KEYS[1], ARGV[3], inc, ARGV[4], ARGV[5])
redis.call('SET', KEYS[2], point(inc, seq), 'PX', ARGV[6])
return { inc, seq, settled, members(KEYS[1]), 0 }
