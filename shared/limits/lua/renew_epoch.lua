#!lua flags=allow-oom
-- Begins a new epoch because Redis' clock has stepped: the dates of the charges mean nothing any more. Only the first
-- of the workers that notice does it.
-- KEYS  1 epoch
-- ARGV  1 the epoch seen, 2 fresh epoch id
-- Returns 1 when a new epoch began. allow-oom: a clock that stepped must not go unnoticed on a full Redis.
--@include epoch
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return 0 end
local now = now_ms()
begin_epoch(KEYS[1], ARGV[2], now, now)
return 1
