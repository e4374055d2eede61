#!lua
-- Grants a worker tokens of one ledger, which it may use for one term from now on. All of `need`, or nothing.
-- KEYS  1 record, 2 ledger
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 tokens seen, 5 losses seen, 6 when the last of them was,
--       7 limit, 8 keep ms (window + usual term), 9 slot ms, 10 ms by which the term is longer than the usual one,
--       11 want, 12 need, 13 divisor, 14 after a loss: 'quarantine', 'lower' or 'trust',
--       15 for how long that matters, ms
-- Returns { request id, now, epoch, run, tokens, ahead, losses, when, ms that they matter,
--       granted, free, wait ms, '1' when in quarantine, slot, birth }.
-- Redis' clock. Not allow-oom: a full Redis can't remember what it grants, so it must not grant.
--@include epoch
--@include ledger
local limit, keep_ms, slot_ms, extra_ms = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local want, need, divisor = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local recover_ms = tonumber(ARGV[15])
local epoch, now = current_epoch(KEYS[1], ARGV[1], seen_by(ARGV), recover_ms)
local recovering = recovering_ms(epoch, now, recover_ms)

local function answer(granted, free, wait, quarantined, slot, birth)
  return {
    ARGV[1], now, epoch.id, epoch.run, epoch.n, epoch.ahead, epoch.losses, epoch.lost_at, recovering,
    granted, free, wait, quarantined, slot, birth,
  }
end

if recovering > 0 and ARGV[14] == 'quarantine' then return answer(0, 0, recovering, '1', 0, '') end
if ARGV[14] == 'lower' then limit = lowered(limit, epoch, now, recover_ms) end

local ledger = read_ledger(KEYS[2], epoch, now, slot_ms, keep_ms)
local free = limit - ledger.charged
if free < need then return answer(0, math.max(0, free), wait_ms(ledger, limit, need), '0', 0, '') end

-- A share of what is left: chunks shrink towards the limit, so that one worker does not sit on the last tokens.
local granted = math.max(need, math.min(want, math.floor(free / divisor)))
count_grant(KEYS[1], epoch, granted)
local slot = charge(ledger, epoch, granted, extra_ms)
return answer(granted, free - granted, 0, '0', slot, ledger.birth)
