#!lua flags=allow-oom
-- Forgets the guesses at an account, from all addresses: what was born up to the latest grant no longer counts.
-- KEYS  1 epoch, 2 pardon, 3 ledger of the account
-- ARGV  1 lifetime in ms: as long as what is forgotten would have counted
-- Returns nothing of interest. allow-oom: it frees.
--@include epoch
redis.call('DEL', KEYS[3])
local state = redis.pcall('HMGET', KEYS[1], 'id', 'n')
if state.err or not (state[1] and state[2]) then return 0 end
redis.call('SET', KEYS[2], name_grant({ id = state[1], n = state[2] }), 'PX', ARGV[1])
return 1
