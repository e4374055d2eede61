#!lua flags=allow-oom
-- Forgets a member whose lease has surely ended, only if it has not been heard of since.
-- KEYS  1 domain
-- ARGV  1 incarnation, 2 member id, 3 the value seen
-- Returns 1 when it was forgotten.
local list = KEYS[1] .. ':m'
if redis.call('HGET', KEYS[1], 'inc') ~= ARGV[1] or redis.call('HGET', list, ARGV[2]) ~= ARGV[3] then return 0 end
return redis.call('HDEL', list, ARGV[2])
