#!lua flags=no-writes
-- What this node is, and who follows it.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 durability
-- Returns { 'own' | 'pending' | 'other', replication id, the one that it followed before, run ids listed,
--   addresses of the replicas that are in step (host, port, host, port ...) }.
--@include failover
local node = this_node()
local state = read_domain(KEYS[1])
local whose = state[1] and standing(node, state) or 'other'
local addresses = {}
for host, port, rest in string.gmatch(node.info, '\nslave%d+:ip=([^,]+),port=(%d+),([^\r\n]*)') do
  if string.find(rest, 'state=online', 1, true) then
    addresses[#addresses + 1] = host
    addresses[#addresses + 1] = port
  end
end
return { whose, node.replid, node.followed, state[6] or '', addresses }
