#!lua flags=allow-oom
-- Marks several sessions as used, each only while it is valid.
-- KEYS  1 domain, 2.. sessions
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 index key prefix, 5 idle ms, 6.. session hashes, as in KEYS
-- Returns the milliseconds left of each, 0 when it is gone.
--@include session
local _, epoch = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now = now_ms()
local left = {}
for i = 2, #KEYS do
  local session = valid_session(KEYS[i], ARGV[3], epoch, now)
  left[i - 1] = session and touch_session(KEYS[i], ARGV[i + 4], ARGV[4], session, tonumber(ARGV[5]), now) or 0
end
return left
