#!lua
-- Grants a worker tokens of ledgers, which it may use for one term from now on. Of each all that it needs, or nothing.
-- KEYS  1 record, from 2 ledgers
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 tokens seen, 5 losses seen, 6 when the last of them was,
--       7 number of terms, then for each: limit, keep ms (window + usual term), slot ms, ms by which the term is longer
--       than the usual one, divisor, after a loss ('quarantine', 'lower' or 'trust'), for how long that matters in ms;
--       then for each ledger: number of its terms, want, need
-- Returns { request id, now, epoch, run, tokens, ahead, losses, when, ms that they matter, then for each ledger: granted,
--       free, wait ms, 1 when in quarantine, slot, birth }.
-- Redis' clock. Not allow-oom: a full Redis can't remember what it grants, so it must not grant.
--@include epoch
--@include ledger
local floor, min, max = math.floor, math.min, math.max
local count = tonumber(ARGV[7])
local terms, at, longest = {}, 8, 0
for i = 1, count do
  terms[i] = {
    limit = tonumber(ARGV[at]), keep = tonumber(ARGV[at + 1]), slot = tonumber(ARGV[at + 2]),
    extra = tonumber(ARGV[at + 3]), divisor = tonumber(ARGV[at + 4]), after_loss = ARGV[at + 5],
    recover = tonumber(ARGV[at + 6]),
  }
  longest = max(longest, terms[i].recover)
  at = at + 7
end
local epoch, now = current_epoch(KEYS[1], ARGV[1], seen_by(ARGV), longest)
local n_before = epoch.n
for _, own in ipairs(terms) do
  own.recovering = recovering_ms(epoch, now, own.recover)
  if own.after_loss == 'lower' then own.limit = lowered(own.limit, epoch, now, own.recover) end
  if own.after_loss ~= 'quarantine' then own.quarantine = 0 else own.quarantine = own.recovering end
end

local answer = {
  ARGV[1], now, epoch.id, epoch.run, 0, epoch.ahead, epoch.losses, epoch.lost_at, recovering_ms(epoch, now, longest),
}
local out = 9
for i = 2, #KEYS do
  local own, want, need = terms[tonumber(ARGV[at])], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  local granted, free, wait, slot, birth = 0, 0, own.quarantine, 0, 0
  if wait == 0 then
    local charged, born, base, entries =
      read_ledger(redis.pcall('GET', KEYS[i]), epoch, now, own.slot, own.keep)
    free = own.limit - charged
    if free < need then
      wait = wait_ms(charged, base, entries, own.limit, need, now, own.slot, own.keep)
      free = max(0, free)
    else
      -- A share of what is left: chunks shrink towards the limit, so that one worker does not sit on the last tokens.
      granted = max(need, min(want, floor(free / own.divisor)))
      free = free - granted
      epoch.n = epoch.n + granted
      slot, birth =
        charge(KEYS[i], epoch, now, own.slot, own.keep, charged, born, base, entries, granted, own.extra, false)
    end
  end
  answer[out + 1], answer[out + 2], answer[out + 3] = granted, free, wait
  answer[out + 4], answer[out + 5], answer[out + 6] = own.quarantine > 0 and 1 or 0, slot, birth
  out = out + 6
end
if epoch.n > n_before then redis.call('HINCRBY', KEYS[1], 'n', epoch.n - n_before) end
answer[5] = epoch.n
return answer
