#!lua flags=no-writes
-- What may have been lost of what a record's ledgers count. Changes nothing.
-- KEYS  1 record
-- ARGV  1 keep ms of its ledgers
-- Returns { '1' when there is a record, losses, what can have been lost, ms that it matters }.
--@include epoch
local epoch = read_epoch(KEYS[1])
if not epoch then return { '0', 0, 0, 0 } end
return { '1', epoch.losses, epoch.lost, recovering_ms(epoch, time_of(epoch), tonumber(ARGV[1])) }
