#!lua flags=allow-oom
-- The entries of a user's index that have not expired, those that will expire last first.
-- KEYS  1 domain, 2 user's index
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 the most entries, 4 how many to skip
-- Returns the entries.
--@include session
incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2], 'zset')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_ms())
local first = tonumber(ARGV[4])
return redis.call('ZREVRANGE', KEYS[2], first, first + tonumber(ARGV[3]) - 1)
