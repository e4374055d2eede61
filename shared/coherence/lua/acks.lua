#!lua flags=allow-oom
-- How far has each member applied the invalidations?
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua)
-- Returns { inc, seq, members }.
--@include domain
local inc, _, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
return { inc, seq, members(KEYS[1]) }
