#!lua flags=allow-oom
-- Puts a message of another kind (settings, limits) into the same order as the invalidations, so that it is
-- acknowledged in the same way.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 channel, 4 kind, 5 text
-- Returns { inc, seq, settled, members, 0 }.
--@include domain
local inc, _, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
local seq = announce(KEYS[1], ARGV[3], inc, ARGV[4], ARGV[5])
return { inc, seq, settled, members(KEYS[1]), 0 }
