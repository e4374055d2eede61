#!lua flags=no-writes
-- What stands in one ledger. Changes nothing.
-- KEYS  1 epoch, 2 ledger
-- ARGV  1 limit, 2 keep ms, 3 slot ms
-- Returns { charged, ms until one token is free, ms of quarantine left }.
--@include epoch
--@include ledger
local now = now_ms()
local state = redis.pcall('HMGET', KEYS[1], 'id', 'since')
local since = tonumber(state[2] or '')
if state.err or not (state[1] and since) then return { 0, 0, 0 } end
local epoch = { id = state[1], since = since }
local keep_ms = tonumber(ARGV[2])
local ledger = read_ledger(KEYS[2], epoch, now, tonumber(ARGV[3]), keep_ms)
return { ledger.charged, wait_ms(ledger, tonumber(ARGV[1]), 1), quarantine_ms(epoch, now, keep_ms) }
