#!lua
-- Writes some fields of a session that is valid, and of no other: never creates one.
-- KEYS  1 domain, 2 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 session hash, 6 idle ms,
--       7 how many fields to set (n), then n pairs of field and value, then the fields to remove
-- Returns { inc, 'saved' | 'gone' }.
--@include session
local inc, epoch = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local session = valid_session(KEYS[2], ARGV[3], epoch, now)
if not session then return { inc, 'gone' } end
if touch_session(KEYS[2], ARGV[5], ARGV[4], session, tonumber(ARGV[6]), now) == 0 then return { inc, 'gone' } end

local first_removed = 8 + 2 * tonumber(ARGV[7])
for i = 8, first_removed - 2, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
for i = first_removed, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
redis.pcall('HINCRBY', KEYS[2], 'version', 1)
return { inc, 'saved' }
