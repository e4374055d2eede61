#!lua flags=allow-oom
-- What is kept of a token, if nothing that was announced since speaks against it.
-- KEYS  1 domain, 2 token, 3 mark of everybody
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 key prefix of the marks of users
-- Returns { inc, seq, 'revoked' | 'kept' | false, user id, value, ms left }.
--@include remote
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2])
local e = redis.call('HMGET', KEYS[2], 'revoked', 'uid', 'value', 'until', 'inc', 'seq', 'epoch')
if e[1] then return { inc, seq, 'revoked' } end
local left = (tonumber(e[4] or '') or 0) - now_ms()
if not (e[2] and e[3] and e[5] and tonumber(e[6] or '')) or e[7] ~= epoch or left <= 0 then return { inc, seq, false } end
if dropped_since(ARGV[3] .. e[2], KEYS[3], e[5], e[6], inc, seq) then return { inc, seq, false } end
return { inc, seq, 'kept', e[2], e[3], left }
