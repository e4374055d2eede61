#!lua
-- Writes some fields of a session that is valid, and of no other: never creates one. The application's data may not grow
-- beyond its bound, which only this script can hold: writers at the same time each see less than what is there.
-- KEYS  1 domain, 2 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 session hash,
--       6 idle ms, 7 the most bytes of data, as JSON, 8 how many fields to set (n), then n pairs of field and value, then
--       the fields to remove
-- Returns { inc, 'saved' | 'gone' | 'too-large' }.
--@include session
local inc, epoch = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local session = valid_session(KEYS[2], ARGV[3], epoch, now)
if not session then return { inc, 'gone' } end

local first_removed = 9 + 2 * tonumber(ARGV[8])
local changes = {}
for i = 9, first_removed - 2, 2 do changes[ARGV[i]] = ARGV[i + 1] end
for i = first_removed, #ARGV do changes[ARGV[i]] = false end

-- As much as `{"name":value,...}` takes. Names are bare here, after two letters that mark data.
local function size(name, value)
  return string.sub(name, 1, 2) == 'd:' and value and #name - 2 + #value + 4 or 0
end
local before, after = 1, 1
local fields = redis.call('HGETALL', KEYS[2])
for i = 1, #fields, 2 do
  before = before + size(fields[i], fields[i + 1])
  if changes[fields[i]] == nil then after = after + size(fields[i], fields[i + 1]) end
end
for name, value in pairs(changes) do after = after + size(name, value) end
if after > before and after > tonumber(ARGV[7]) then return { inc, 'too-large' } end

if touch_session(KEYS[2], ARGV[5], ARGV[4], session, tonumber(ARGV[6]), now) == 0 then return { inc, 'gone' } end
for name, value in pairs(changes) do
  if value then redis.call('HSET', KEYS[2], name, value) else redis.call('HDEL', KEYS[2], name) end
end
redis.pcall('HINCRBY', KEYS[2], 'version', 1)
return { inc, 'saved' }
