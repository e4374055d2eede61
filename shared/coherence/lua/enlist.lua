#!lua flags=allow-oom
-- Notes which processes follow this primary: only they can vote, or open, after a failover. Anyone who has received this
-- has received all that was written before, so a process that is listed lacks nothing that an earlier run of its
-- acknowledged.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 durability, 3 replication id that they follow, 4 their run ids, separated by commas
-- Returns 1 when it was noted.
--@include failover
local node = this_node()
local state = read_domain(KEYS[1])
if not state[1] or standing(node, state) ~= 'own' or node.replid ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'nodes', ARGV[4])
return 1
