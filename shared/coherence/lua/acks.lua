#!lua flags=allow-oom
-- How far has each member applied the invalidations?
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 durability
-- Returns { inc, members }.
--@include domain
local inc = incarnation(KEYS[1], ARGV[1], ARGV[2])
return { inc, members(KEYS[1]) }
