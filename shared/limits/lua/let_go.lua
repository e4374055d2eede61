#!lua flags=allow-oom
-- A guess was right, or was not tried: it gives its places up and counts nowhere. Any number of times.
-- KEYS  places held: 1 address, 2 address and account, 3 account
-- ARGV  1 id of the guess
-- Returns nothing of interest. allow-oom: it frees.
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return 1
