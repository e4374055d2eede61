#!lua flags=allow-oom
-- Writes something, so that WAIT on this connection covers all that was written before it.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 durability
-- Returns the incarnation.
--@include domain
local inc = incarnation(KEYS[1], ARGV[1], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'writes', 1)
return inc
