#!lua flags=allow-oom
-- Redis' clock has been set forward, as a worker noticed. The time of the record goes on from where it would be, so that
-- no charge is forgotten early. Only Redis' own expiry has followed the clock: it may have taken ledgers that would have
-- counted for that long, where it is longer than their lives allow for.
-- KEYS  1 record
-- ARGV  1 epoch seen, 2 ahead seen, 3 ms, 4 ms that lives of ledgers allow for
-- Returns 1 when done, 0 when someone else has been first. allow-oom: a clock that was set must not go unnoticed.
--@include epoch
local epoch = read_epoch(KEYS[1])
if not epoch or epoch.id ~= ARGV[1] or epoch.ahead ~= tonumber(ARGV[2]) then return 0 end
local step = tonumber(ARGV[3])
epoch.ahead = epoch.ahead + step
local now = now_ms() - epoch.ahead
redis.call('HSET', KEYS[1], 'ahead', epoch.ahead, 'last', now, 'checked', now)
if step > tonumber(ARGV[4]) then note_loss(KEYS[1], epoch, now, everything, step, step) end
return 1
