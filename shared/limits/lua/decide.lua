#!lua
-- A guess at a password was wrong: it gives its places up and counts for the window.
-- KEYS  1 record, ledgers: 2 address, 3 address and account, 4 account, 5 all guesses,
--       places held: 6 address, 7 address and account, 8 account, 9 pardon of the account
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 tokens seen, 5 losses seen, 6 when the last of them was,
--       7 address limit (-1: none), 8 keep ms, 9 slot ms, 10 account limit (-1: none), 11 keep ms, 12 slot ms,
--       13 id of the guess
-- Returns { request id, now, epoch, run, tokens, ahead, losses, when, ms that they matter }. Redis' clock.
-- Not allow-oom: what is wrong must not be answered before it is remembered.
--@include epoch
--@include ledger
local address_keep, account_keep = tonumber(ARGV[8]), tonumber(ARGV[11])
local longest_keep = math.max(address_keep, account_keep)
local epoch, now = current_epoch(KEYS[1], ARGV[1], seen_by(ARGV), longest_keep)
local has_address, has_account = tonumber(ARGV[7]) >= 0, tonumber(ARGV[10]) >= 0

count_grant(KEYS[1], epoch, 1)

-- Of the address with the account the birth matters, to a pardon.
local function count(key, slot_ms, keep_ms, exact, pardoned)
  local charged, birth, base, first, last, of_last, older =
    read_ledger(key, epoch, now, slot_ms, keep_ms, pardoned)
  charge(key, epoch, now, slot_ms, keep_ms, charged, birth, base, first, last, of_last, older, 1, 0, exact)
end

if has_address then
  count(KEYS[2], tonumber(ARGV[9]), address_keep, false)
  redis.call('ZREM', KEYS[6], ARGV[13])
end
if has_account then
  local pardon = redis.call('GET', KEYS[9])
  count(KEYS[3], tonumber(ARGV[12]), account_keep, true, is_of_epoch(pardon, epoch) and grant_number(pardon) or nil)
  count(KEYS[4], tonumber(ARGV[12]), account_keep, false)
  redis.call('ZREM', KEYS[7], ARGV[13])
  redis.call('ZREM', KEYS[8], ARGV[13])
end
if has_address or has_account then
  count(KEYS[5], tonumber(has_address and ARGV[9] or ARGV[12]), longest_keep, false)
end
return {
  ARGV[1], now, epoch.id, epoch.run, epoch.n, epoch.ahead, epoch.losses, epoch.lost_at,
  recovering_ms(epoch, now, longest_keep),
}
