#!lua flags=no-writes
-- What stands in one ledger. Changes nothing.
-- KEYS  1 record, 2 ledger
-- ARGV  1 limit, 2 keep ms, 3 slot ms, 4 after a loss: 'quarantine', 'lower' or 'trust', 5 for how long that
--       matters, ms
-- Returns { charged, limit in force, ms until one token is free, ms of quarantine left }.
--@include epoch
--@include ledger
local limit, keep_ms, recover_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local epoch = read_epoch(KEYS[1])
if not epoch then return { 0, limit, 0, 0 } end
local now = time_of(epoch)
local recovering = recovering_ms(epoch, now, recover_ms)
if ARGV[4] == 'lower' then limit = lowered(limit, epoch, now, recover_ms) end
local slot_ms = tonumber(ARGV[3])
local charged, _, base, _, last, of_last, older =
  read_ledger(KEYS[2], epoch, now, slot_ms, keep_ms)
local wait = wait_ms(charged, base, last, of_last, older, limit, 1, now, slot_ms, keep_ms)
return { charged, limit, wait, ARGV[4] == 'quarantine' and recovering or 0 }
