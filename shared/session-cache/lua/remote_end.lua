#!lua flags=allow-oom
-- Forgets what is kept of a token, everywhere; with 'revoked' nothing is kept of it again while the mark lasts.
-- KEYS  1 domain, 2 token
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 channel, 4 token's hash, 5 'revoked' | 'dropped',
--       6 ms that the mark lasts
-- Returns { inc, seq, settled, members, count }, count being 1 when something was kept.
-- allow-oom: a full Redis must not refuse a logout.
--@include remote
local inc, _, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2])
local before = redis.call('HMGET', KEYS[2], 'uid', 'revoked')
local lasts = math.max(tonumber(ARGV[6]), redis.call('PTTL', KEYS[2]))
redis.call('DEL', KEYS[2])
local seq = announce(KEYS[1], ARGV[3], inc, 'remote-token', ARGV[4])
redis.call('HSET', KEYS[2], before[2] and 'revoked' or ARGV[5], point(inc, seq))
redis.call('PEXPIRE', KEYS[2], lasts)
return { inc, seq, settled, members(KEYS[1]), before[1] and 1 or 0 }
