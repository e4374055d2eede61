#!lua flags=allow-oom
-- Forgets what a ledger has charged.
-- KEYS  1 record, 2 ledger
-- ARGV  1 keep ms, 2 slot ms
-- Returns nothing of interest. allow-oom: an administrator lifts a limit.
--@include epoch
--@include ledger
local epoch = read_epoch(KEYS[1])
if not epoch then
  redis.call('DEL', KEYS[2])
  return 0
end
count_grant(KEYS[1], epoch, 1)
begin_anew(KEYS[2], epoch, time_of(epoch), tonumber(ARGV[2]), tonumber(ARGV[1]))
return 1
