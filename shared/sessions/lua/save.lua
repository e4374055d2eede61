#!lua
-- Writes some fields of a session that is valid, and of no other: never creates one. The application's data may not grow
-- beyond its bound, which only this script can hold: writers at the same time each see less than what is there.
-- KEYS  1 domain, 2 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 session hash,
--       6 idle ms, 7 the most bytes of data, as JSON, 8 how many fields to set (n), then n pairs of field and value, then
--       the fields to remove
-- Returns { inc, 'saved' | 'gone' | 'too-large' }.
--@include session
--@include fields
local inc, epoch = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local session = valid_session(KEYS[2], ARGV[3], epoch, now)
if not session then return { inc, 'gone' } end
local changes = changes_from(8)
if too_large(KEYS[2], changes, ARGV[7]) then return { inc, 'too-large' } end
if touch_session(KEYS[2], ARGV[5], ARGV[4], session, tonumber(ARGV[6]), now) == 0 then return { inc, 'gone' } end
write_fields(KEYS[2], changes)
return { inc, 'saved' }
