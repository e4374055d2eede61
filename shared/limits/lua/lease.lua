#!lua
-- Grants a worker tokens of ledgers, which it may use for one term from now on. Of each all that it needs, or nothing.
-- KEYS  1 record, from 2 ledgers
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 tokens seen, 5 losses seen, 6 when the last of them was,
--       7 number of terms, then for each: limit, keep ms (window + usual term), slot ms, ms by which the term is longer
--       than the usual one, divisor, after a loss ('quarantine', 'lower' or 'trust'), for how long that matters in ms;
--       then for each ledger: number of its terms, for a single token, or its negative, want, need
-- Returns { request id, now, epoch, run, tokens, ahead, losses, when, ms that they matter, then for each ledger: granted,
--       or the negative of how many ms to wait, free, slot, birth (-1: in quarantine) }.
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
  local number, want, need = tonumber(ARGV[at]), 1, 1
  if number < 0 then
    number, want, need = -number, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 2
  end
  at = at + 1
  local own = terms[number]
  local granted, free, slot, birth = 0, 0, 0, 0
  if own.quarantine > 0 then
    granted, birth = -own.quarantine, -1
  else
    local charged, born, base, first, last, of_last, older =
      read_ledger(KEYS[i], epoch, now, own.slot, own.keep)
    free = own.limit - charged
    if free < need then
      granted = -wait_ms(charged, base, last, of_last, older, own.limit, need, now, own.slot, own.keep)
      free = max(0, free)
    else
      -- A share of what is left: chunks shrink towards the limit, so that one worker does not sit on the last tokens.
      granted = max(need, min(want, floor(free / own.divisor)))
      free = free - granted
      epoch.n = epoch.n + granted
      slot, birth = charge(KEYS[i], epoch, now, own.slot, own.keep,
        charged, born, base, first, last, of_last, older, granted, own.extra, false)
    end
  end
  answer[out + 1], answer[out + 2], answer[out + 3], answer[out + 4] = granted, free, slot, birth
  out = out + 4
end
if epoch.n > n_before then redis.call('HINCRBY', KEYS[1], 'n', epoch.n - n_before) end
answer[5] = epoch.n
return answer
