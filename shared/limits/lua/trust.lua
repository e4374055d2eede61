#!lua
-- An operator knows that nothing was lost that matters: limits are what they are configured to be.
-- KEYS  1 record
-- ARGV  1 fresh epoch id, for where there is no record
-- Returns 1 when that changed something.
--@include epoch
local epoch = read_epoch(KEYS[1])
if not epoch then
  begin_epoch(KEYS[1], ARGV[1], now_ms(), 0)
  return 1
end
if epoch.losses == 0 then return 0 end
redis.call('HSET', KEYS[1], 'losses', 0, 'lost', 0, 'lost_for', 0)
return 1
