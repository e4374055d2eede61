#!lua flags=allow-oom
-- Forgets a member that holds nothing any more, because it says so itself or because its process has surely ended.
-- KEYS  1 domain
-- ARGV  1 member id
-- Returns 1 when it was listed.
return redis.call('HDEL', KEYS[1] .. ':m', ARGV[1])
