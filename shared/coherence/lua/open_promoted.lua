#!lua flags=allow-oom
-- Opens a promoted node with the epoch that there was, so that the sessions go on: enough of the nodes that followed the
-- old primary have joined this one by a partial resynchronisation, so its log holds all that any of them acknowledged.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 durability, 3 replication id that the votes are for, 4 votes needed, 5.. run ids that voted
-- Returns 1 when it is open now.
--@include failover
local node = this_node()
local state = read_domain(KEYS[1])
if not state[1] or standing(node, state) ~= 'pending' or node.replid ~= ARGV[3] then return 0 end
local voters, seen = {}, {}
for i = 5, #ARGV do
  if not seen[ARGV[i]] and is_listed(state[6], ARGV[i]) and ARGV[i] ~= node.run_id then
    seen[ARGV[i]] = true
    voters[#voters + 1] = ARGV[i]
  end
end
if #voters < tonumber(ARGV[4]) then return 0 end
begin(KEYS[1], node, ARGV[1], state[2], table.concat(voters, ','))
return 1
