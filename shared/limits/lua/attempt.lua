#!lua
-- Reserves one guess at a password, before it is tried: charges the address, the address with the account, and the
-- account, or none of them. The first two block. The account only slows down: from its limit on, an address has to
-- wait from its first request (the ticket) for a delay that doubles with each further guess, at most `longest`; however
-- many strangers guess, the owner waits no longer than that.
-- KEYS  1 epoch, 2 address, 3 address and account, 4 account, 5 ticket, 6 pardon of the account
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 grants seen,
--       5 address limit (-1: none), 6 keep ms, 7 slot ms, 8 account limit (-1: none), 9 keep ms, 10 slot ms,
--       11 first delay ms, 12 longest delay ms, 13 '1' to quarantine after data loss
-- Returns { request id, now, epoch, run, grants, verdict, wait ms, violated, then slot and birth of each ledger }:
-- verdict 'go', 'quarantine', 'blocked' or 'delayed'; violated: 'address', 'account' or both, comma between.
-- Redis' clock. Not allow-oom: a full Redis can't remember the guess, so it must not be tried.
--@include epoch
--@include ledger
local now = now_ms()
local epoch = current_epoch(KEYS[1], now, ARGV[1], { id = ARGV[2], run = ARGV[3], n = tonumber(ARGV[4]) })
local address_limit, account_limit = tonumber(ARGV[5]), tonumber(ARGV[8])
local account_keep = tonumber(ARGV[9])

local function answer(verdict, wait, violated, ...)
  return { ARGV[1], now, epoch.id, epoch.run, epoch.n, verdict, wait, violated or '', ... }
end

local function ledger_at(key, i, pardoned)
  return read_ledger(key, epoch, now, tonumber(ARGV[i + 2]), tonumber(ARGV[i + 1]), pardoned)
end

local address = address_limit >= 0 and ledger_at(KEYS[2], 5)
local pardon = account_limit >= 0 and redis.call('GET', KEYS[6])
local pardoned = is_of_epoch(pardon, epoch) and grant_number(pardon) or nil
local pair = account_limit >= 0 and ledger_at(KEYS[3], 8, pardoned)
local account = account_limit >= 0 and ledger_at(KEYS[4], 8)

if ARGV[13] == '1' then
  local quarantine = 0
  for _, ledger in pairs({ address or nil, account or nil }) do
    quarantine = math.max(quarantine, quarantine_ms(epoch, now, ledger.keep_ms))
  end
  if quarantine > 0 then return answer('quarantine', quarantine) end
end

local address_wait = address and wait_ms(address, address_limit, 1) or 0
local pair_wait = pair and wait_ms(pair, account_limit, 1) or 0
if address_wait > 0 and pair_wait > 0 then
  return answer('blocked', math.max(address_wait, pair_wait), 'address,account')
end
if address_wait > 0 then return answer('blocked', address_wait, 'address') end
if pair_wait > 0 then return answer('blocked', pair_wait, 'account') end

if account and account.charged >= account_limit then
  local excess = math.min(account.charged - account_limit, 30)
  local delay = math.min(tonumber(ARGV[12]), tonumber(ARGV[11]) * 2 ^ excess)
  local since = tonumber(redis.call('GET', KEYS[5]) or '')
  if not since or since > now then
    since = now
    redis.call('SET', KEYS[5], now, 'PX', account_keep)
  end
  if now < since + delay then return answer('delayed', since + delay - now, 'account') end
  redis.call('DEL', KEYS[5])
end

count_grant(KEYS[1], epoch)
local places = {}
for _, ledger in ipairs({ address, pair, account }) do
  places[#places + 1] = ledger and charge(ledger, epoch, 1) or ''
  places[#places + 1] = ledger and ledger.birth or ''
end
return answer('go', 0, '', unpack(places))
