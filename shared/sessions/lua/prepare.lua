#!lua
-- First step of a login: what must not change until the session is created.
-- KEYS  1 domain, 2 user
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 lifetime ms of the user's record
-- Returns { inc, generation }.
--@include session
local inc, _, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2], 'hash')
redis.call('HSETNX', KEYS[2], 'gen', inc .. ':' .. seq .. ':' .. ARGV[1])
outlive(KEYS[2], tonumber(ARGV[3]))
return { inc, redis.call('HGET', KEYS[2], 'gen') }
