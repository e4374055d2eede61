#!lua
-- Holds a place for one guess at a password, before it is tried: at the address, the address with the account, and the
-- account, or at none of them. Wrong guesses count for the window (decide.lua); guesses that are being tried count
-- only while they are. The first two block. The account only slows down: from its limit on, an address has to wait from
-- its first request (the ticket) for a delay that doubles with each further guess, at most `longest`; however many
-- strangers guess, the owner waits no longer than that.
-- KEYS  1 record, ledgers: 2 address, 3 address and account, 4 account, 5 all guesses,
--       places held: 6 address, 7 address and account, 8 account, 9 ticket, 10 pardon of the account
-- ARGV  1 request id, 2 epoch seen, 3 run seen, 4 tokens seen, 5 losses seen, 6 when the last of them was,
--       7 address limit (-1: none), 8 keep ms, 9 slot ms, 10 account limit (-1: none), 11 keep ms, 12 slot ms,
--       13 limit of all guesses, 14 first delay ms, 15 longest delay ms, 16 longest that a place is held, ms,
--       17 after a loss: 'quarantine', 'lower' or 'trust'
-- Returns { request id, now, epoch, run, tokens, ahead, losses, when, ms that they matter, verdict, wait ms, violated }:
-- verdict 'go', 'quarantine', 'blocked', 'delayed', or 'busy' where nothing but guesses that are being tried stands
-- against it; violated: of 'address', 'account' and 'all', comma between.
-- Redis' clock. Not allow-oom: a full Redis can't remember the guess, so it must not be tried.
--@include epoch
--@include ledger
local address_limit, account_limit = tonumber(ARGV[7]), tonumber(ARGV[10])
local address_keep, account_keep = tonumber(ARGV[8]), tonumber(ARGV[11])
local longest_keep = math.max(address_keep, account_keep)
local epoch, now = current_epoch(KEYS[1], ARGV[1], seen_by(ARGV), longest_keep)
local recovering = recovering_ms(epoch, now, longest_keep)
local busy_ms = 1000

local function answer(verdict, wait, violated)
  return {
    ARGV[1], now, epoch.id, epoch.run, epoch.n, epoch.ahead, epoch.losses, epoch.lost_at, recovering,
    verdict, wait, violated or '',
  }
end

if recovering > 0 and ARGV[17] == 'quarantine' then return answer('quarantine', recovering) end
if ARGV[17] == 'lower' then
  if address_limit >= 0 then address_limit = lowered(address_limit, epoch, now, address_keep) end
  if account_limit >= 0 then account_limit = lowered(account_limit, epoch, now, account_keep) end
end

-- A ledger with the guesses that are being tried, in `held`.
local function subject(ledger_key, held_key, i, pardoned)
  local ledger, _ = { slot_ms = tonumber(ARGV[i + 2]), keep_ms = tonumber(ARGV[i + 1]) }
  ledger.charged, _, ledger.base, _, ledger.last, ledger.of_last, ledger.older =
    read_ledger(ledger_key, epoch, now, ledger.slot_ms, ledger.keep_ms, pardoned)
  redis.call('ZREMRANGEBYSCORE', held_key, '-inf', now)
  ledger.held = redis.call('ZCARD', held_key)
  return ledger
end

local function wait_for(ledger, limit)
  local slot_ms, keep_ms = ledger.slot_ms, ledger.keep_ms
  return wait_ms(ledger.charged, ledger.base, ledger.last, ledger.of_last, ledger.older, limit, 1, now, slot_ms, keep_ms)
end

local address = address_limit >= 0 and subject(KEYS[2], KEYS[6], 7)
local pardon = account_limit >= 0 and redis.call('GET', KEYS[10])
local pardoned = is_of_epoch(pardon, epoch) and grant_number(pardon) or nil
local pair = account_limit >= 0 and subject(KEYS[3], KEYS[7], 10, pardoned)
local account = account_limit >= 0 and subject(KEYS[4], KEYS[8], 10)

local address_wait = address and wait_for(address, address_limit) or 0
local pair_wait = pair and wait_for(pair, account_limit) or 0
if address_wait > 0 and pair_wait > 0 then
  return answer('blocked', math.max(address_wait, pair_wait), 'address,account')
end
if address_wait > 0 then return answer('blocked', address_wait, 'address') end
if pair_wait > 0 then return answer('blocked', pair_wait, 'account') end

local any = address or account
if any then
  local charged, _, base, _, last, of_last, older =
    read_ledger(KEYS[5], epoch, now, any.slot_ms, longest_keep)
  local all_wait =
    wait_ms(charged, base, last, of_last, older, tonumber(ARGV[13]), 1, now, any.slot_ms, longest_keep)
  if all_wait > 0 then return answer('blocked', math.min(all_wait, 60000), 'all') end
end

if address and address.charged + address.held >= address_limit then return answer('busy', busy_ms, 'address') end
if pair and pair.charged + pair.held >= account_limit then return answer('busy', busy_ms, 'account') end
if account and account.charged + account.held >= account_limit then
  if account.charged < account_limit then return answer('busy', busy_ms, 'account') end
  local excess = math.min(account.charged + account.held - account_limit, 30)
  local longest = tonumber(ARGV[15])
  local delay = math.min(longest, tonumber(ARGV[14]) * 2 ^ excess)
  local since = tonumber(redis.call('GET', KEYS[9]) or '')
  if not since or since > now then
    since = now
    redis.call('SET', KEYS[9], now, 'PX', 2 * longest)
  end
  if now < since + delay then return answer('delayed', since + delay - now, 'account') end
  redis.call('DEL', KEYS[9])
end

local hold_ms = tonumber(ARGV[16])
local function hold(held_key)
  redis.call('ZADD', held_key, now + hold_ms, ARGV[1])
  redis.call('PEXPIRE', held_key, hold_ms)
end
if address then hold(KEYS[6]) end
if pair then
  hold(KEYS[7])
  hold(KEYS[8])
end
return answer('go', 0)
