#!lua
-- Grants a worker tokens of one ledger, which it may use for one term from now on. All of `need`, or nothing.
-- KEYS  1 epoch, 2 ledger
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 grants seen,
--       5 limit, 6 keep ms (window + term), 7 slot ms, 8 want, 9 need, 10 divisor, 11 '1' to quarantine after data loss
-- Returns { request id, now, epoch, run, grants, granted, free, wait ms, '1' when in quarantine, slot, birth }.
-- Redis' clock. Not allow-oom: a full Redis can't remember what it grants, so it must not grant.
--@include epoch
--@include ledger
local now = now_ms()
local epoch = current_epoch(KEYS[1], now, ARGV[1], { id = ARGV[2], run = ARGV[3], n = tonumber(ARGV[4]) })
local limit, keep_ms, slot_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local want, need, divisor = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

local function answer(granted, free, wait, quarantined, slot, birth)
  return { ARGV[1], now, epoch.id, epoch.run, epoch.n, granted, free, wait, quarantined, slot, birth }
end

local quarantine = ARGV[11] == '1' and quarantine_ms(epoch, now, keep_ms) or 0
if quarantine > 0 then return answer(0, 0, quarantine, '1', 0, '') end

local ledger = read_ledger(KEYS[2], epoch, now, slot_ms, keep_ms)
local free = limit - ledger.charged
if free < need then return answer(0, math.max(0, free), wait_ms(ledger, limit, need), '0', 0, '') end

-- A share of what is left: chunks shrink towards the limit, so that one worker does not sit on the last tokens.
local granted = math.max(need, math.min(want, math.floor(free / divisor)))
count_grant(KEYS[1], epoch)
local slot = charge(ledger, epoch, granted)
return answer(granted, free - granted, 0, '0', slot, ledger.birth)
