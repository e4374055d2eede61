#!lua flags=allow-oom
-- Is this still the generation of the user, in this epoch, and the user not disabled?
-- KEYS  1 domain, 2 user
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 'epoch generation'
-- Returns { inc, seq, 1 or 0 }.
--@include session
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
local u = redis.pcall('HMGET', KEYS[2], 'gen', 'disabled')
local stands = not u.err and u[1] and u[2] ~= '1' and epoch .. ' ' .. u[1] == ARGV[3]
return { inc, seq, stands and 1 or 0 }
