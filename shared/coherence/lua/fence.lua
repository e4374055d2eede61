#!lua flags=allow-oom
-- Begins a new incarnation and a new epoch on purpose: every session there is ends here.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua)
-- Returns the incarnation.
--@include domain
redis.call('DEL', KEYS[1])
return incarnation(KEYS[1], ARGV[1], ARGV[2])
