#!lua
-- Begins the first record of a new installation, which has no charges to lose.
-- KEYS  1 record
-- ARGV  1 fresh epoch id
-- Returns 1 when it began, 0 when there is one already.
--@include epoch
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
begin_epoch(KEYS[1], ARGV[1], now_ms(), 0)
return 1
