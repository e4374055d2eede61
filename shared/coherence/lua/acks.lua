#!lua flags=allow-oom
-- How far has each of these members applied the invalidations? Costs what is asked about, however many there are.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3.. member ids
-- Returns { inc, seq, the value of each or false }.
--@include domain
local inc, _, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
if #ARGV < 3 then return { inc, seq, {} } end
local values = redis.pcall('HMGET', KEYS[1] .. ':m', unpack(ARGV, 3))
return { inc, seq, values.err and {} or values }
