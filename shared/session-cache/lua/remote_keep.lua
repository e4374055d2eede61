#!lua
-- Keeps what the service said of a token, unless it was ended, or its user was, or everybody, since the ticket was taken:
-- then the service may have been asked before that.
-- KEYS  1 domain, 2 token, 3 mark of everybody
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 key prefix of the marks of users, 4 ticket's inc,
--       5 ticket's seq, 6 user id, 7 value, 8 ms to keep it, 0 only to know
-- Returns { inc, seq, 'kept' | 'revoked' | 'crossed' }.
--@include remote
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
if inc ~= ARGV[4] then return { inc, seq, 'crossed' } end
replace_foreign(KEYS[2])
local ended = redis.call('HMGET', KEYS[2], 'revoked', 'dropped')
if ended[1] then return { inc, seq, 'revoked' } end
if ended[2] and not string.match(ended[2], '^%S+ %d+$') then redis.call('DEL', KEYS[2]) end
if after(ended[2], ARGV[4], ARGV[5], inc) or dropped_since(ARGV[3] .. ARGV[6], KEYS[3], ARGV[4], ARGV[5], inc, seq) then
  return { inc, seq, 'crossed' }
end
local ms = tonumber(ARGV[8])
if ms <= 0 then return { inc, seq, 'kept' } end
redis.call('HSET', KEYS[2], 'uid', ARGV[6], 'value', ARGV[7], 'until', now_ms() + ms, 'inc', ARGV[4], 'seq', ARGV[5],
  'epoch', epoch)
-- As long as what was there before, which may say when it was dropped.
if redis.call('PTTL', KEYS[2]) < ms then redis.call('PEXPIRE', KEYS[2], ms) end
return { inc, seq, 'kept' }
