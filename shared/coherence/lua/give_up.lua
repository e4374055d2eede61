#!lua flags=allow-oom
-- Opens a promoted node that could not show in time that it lost nothing, with a new epoch: all that was kept ends.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 durability, 3 replication id of the node
-- Returns 1 when it is open now.
--@include failover
local node = this_node()
local state = read_domain(KEYS[1])
if not state[1] or standing(node, state) ~= 'pending' or node.replid ~= ARGV[3] then return 0 end
begin(KEYS[1], node, ARGV[1], ARGV[1], '')
return 1
