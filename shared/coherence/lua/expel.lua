#!lua flags=allow-oom
-- Forgets a member whose lease has surely ended, only if it has not been heard of since.
-- KEYS  1 domain
-- ARGV  1 incarnation, 2 member id, 3 the value seen
-- Returns 1 when it was forgotten.
local field = 'w:' .. ARGV[2]
local seen = redis.call('HMGET', KEYS[1], 'inc', field)
if seen[1] ~= ARGV[1] or seen[2] ~= ARGV[3] then return 0 end
return redis.call('HDEL', KEYS[1], field)
