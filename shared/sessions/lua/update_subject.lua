#!lua flags=allow-oom
-- Makes a change of a user's record effective: roles and profile for the sessions that go on, and the end of all of
-- them when the user is disabled. A record that is older than the one known in its lineage is not taken, but ends the
-- sessions and is announced all the same.
-- KEYS  1 domain, 2 user, 3 user's index
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 channel, 4 user id, 5 lifetime ms of the user's record, 6 lineage, 7 version,
--       8 roles, 9 profile, 10 '1' when disabled,
--       11 request id
-- Returns { inc, seq, settled, members, count, known }, count being the sessions that ended and known the version that
-- is followed now: that of the record if it was taken, else a greater one.
--@include session
local inc, _, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2], 'hash')
replace_foreign(KEYS[3], 'zset')
local count = 0
local taken = write_subject(KEYS[2], ARGV[6], ARGV[7], ARGV[8], ARGV[9])
if taken then redis.call('HSET', KEYS[2], 'disabled', ARGV[10]) end
local seq = announce(KEYS[1], ARGV[3], inc, 'user', ARGV[4])
redis.call('HSETNX', KEYS[2], 'gen', inc .. ':' .. seq)
if ARGV[10] == '1' and not begin_generation(KEYS[2], inc, seq, ARGV[11]) then
  count = redis.call('ZCOUNT', KEYS[3], '(' .. now_ms(), '+inf')
  redis.call('UNLINK', KEYS[3])
end
outlive(KEYS[2], tonumber(ARGV[5]))
local known = taken and ARGV[7] or redis.call('HGET', KEYS[2], 'version')
return { inc, seq, settled, members(KEYS[1]), count, known }
