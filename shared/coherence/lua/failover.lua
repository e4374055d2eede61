-- Shared by domain.lua and the scripts of the promotion: mode 'failover', in which what was kept goes on at another node
-- if that one can show that it lost nothing. The record of the domain then has two more fields:
--   replid  the replication id of the log that the incarnation is written to
--   nodes   the run ids of the replicas that followed it, separated by commas
-- A run id names one run of one process, so it also says that the process has not restarted since (from a file that may
-- be older than what it acknowledged).
--@include agreement

local function this_node()
  local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
  local function field(name)
    return string.match(info, '\n' .. name .. ':([^\r\n]*)') or ''
  end
  return {
    run_id = field('run_id'),
    replid = field('master_replid'),
    followed = field('master_replid2'),
    info = info,
  }
end

-- How many replicas there are. One whose connection broke unnoticed, and that has made another, is there twice.
local function replicas_of(node)
  local seen, count = {}, 0
  for address in string.gmatch(node.info, '\nslave%d+:(ip=[^,]+,port=%d+),') do
    if not seen[address] then count = count + 1 end
    seen[address] = true
  end
  return count
end

local function is_listed(nodes, run_id)
  return string.find(',' .. (nodes or '') .. ',', ',' .. run_id .. ',', 1, true) ~= nil
end

-- Whose incarnation does the record speak of?
--   'own'      this node's, and its log is the one that it was
--   'pending'  that of a node which this one followed until it was promoted, in this very run
--   'other'    anything else: no one knows what is missing here
local function standing(node, state)
  local inc, replid = state[1], state[5]
  if not replid then return 'other' end
  if string.sub(inc, 1, #node.run_id + 1) == node.run_id .. ':' then
    return replid == node.replid and 'own' or 'other'
  end
  return replid == node.followed and is_listed(state[6], node.run_id) and 'pending' or 'other'
end

local function read_domain(domain)
  local state = redis.pcall('HMGET', domain, 'inc', 'epoch', 'seq', 'settled', 'replid', 'nodes')
  if state.err then return {} end
  return state
end

local function begin(domain, node, fresh, epoch, nodes)
  local inc = node.run_id .. ':' .. fresh
  local sealed = is_sealed(domain, epoch, fresh)
  redis.call('DEL', domain, domain .. ':m')
  redis.call('HSET', domain, 'inc', inc, 'epoch', epoch, 'seq', 0, 'replid', node.replid, 'nodes', nodes,
    'sealed', sealed, 'agreement', agreement('failover'))
  return inc, epoch, 0, false
end

-- What `incarnation` of domain.lua returns, in this mode.
local function proven_incarnation(domain, fresh, known_inc, known_seq)
  local state = read_domain(domain)
  local node = this_node()
  local inc, epoch, seq = state[1], state[2], tonumber(string.match(state[3] or '', '^%d+$') or '')
  if not (inc and epoch and seq and seq < 2 ^ 53) then return begin(domain, node, fresh, fresh, '') end
  local whose = standing(node, state)
  if whose == 'pending' then
    error({ err = 'PENDING this node was promoted, and has not shown yet that it lost nothing' })
  end
  local went_back = inc == known_inc and seq < known_seq
  if whose ~= 'own' or went_back then return begin(domain, node, fresh, fresh, '') end
  return inc, epoch, seq, state[4]
end
