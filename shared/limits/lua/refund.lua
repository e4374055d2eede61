#!lua flags=allow-oom
-- Takes back tokens that were granted and will surely never be used. Once for each grant, however often it is asked.
-- Nothing when the ledger is another one by now (a reset, a new epoch), or may be an older copy of it (another run of
-- the server): its charges are not ours.
-- KEYS  1 marker of the grant, 2 ledger, 3 record
-- ARGV  1 slot, 2 tokens, 3 birth of the ledger, 4 lifetime of the marker in ms, 5 run that granted
-- Returns 1 when taken back. allow-oom: it frees.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
if run ~= ARGV[5] then return 0 end
local ledger = redis.pcall('HMGET', KEYS[2], 'birth', ARGV[1])
if ledger.err or ledger[1] ~= ARGV[3] then return 0 end
local tokens, charged = tonumber(ARGV[2]), tonumber(ledger[2] or '')
if not charged or charged < tokens then return 0 end
if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[4]) then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[1], -tokens)
return 1
