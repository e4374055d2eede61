-- Shared by every script of the coherence domain, those of other parts included: which Redis this is, and how
-- invalidations are put in order. Another part takes it in with `--@include ../../coherence/lua/domain`.

--@include agreement
--@include failover if failover

-- The incarnation of this Redis: it names the data that all other answers speak of. When the run id is not the one
-- that wrote the state (restart, promotion), or the state is gone (FLUSHALL), a new incarnation begins: nobody's
-- acknowledgement or sequence number of the old one counts. The epoch says which sessions may live: in 'fence' mode
-- it changes with the incarnation, in 'keep' mode it outlives it.
-- `caller` says what the caller knows: its durability, the run id of the server that its connection leads to or '-', and
-- the furthest point that it has seen (an incarnation and a number in it). A connection leads to one server process for
-- as long as it lives, so its run id has to be asked for only once (INFO is most of what a short script costs). A number
-- that went back under one incarnation means that another past is being served (a snapshot of the machine, a service
-- whose run id never changes): a new incarnation, and a new epoch whatever the durability.
-- Returns inc, epoch, seq (number), settled ('1' or false).
local function incarnation(domain, fresh, caller)
  local durability, run_id, known_inc, known_seq = string.match(caller, '^(%S+) (%S+) (%S*) (%d+)$')
  if durability == 'failover' then return proven_incarnation(domain, fresh, known_inc, tonumber(known_seq)) end
  if run_id == '-' then run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') end
  local state = redis.pcall('HMGET', domain, 'inc', 'epoch', 'seq', 'settled')
  if state.err then state = {} end
  -- A number that can't be counted on from is none.
  local inc, epoch, seq = state[1], state[2], tonumber(string.match(state[3] or '', '^%d+$') or '')
  if seq and seq >= 2 ^ 53 then seq = nil end
  local went_back = seq and inc == known_inc and seq < tonumber(known_seq)
  if inc and epoch and seq and not went_back and string.sub(inc, 1, #run_id + 1) == run_id .. ':' then
    return inc, epoch, seq, state[4]
  end
  if durability ~= 'keep' or went_back or not epoch then epoch = fresh end
  inc = run_id .. ':' .. fresh
  local sealed = is_sealed(domain, epoch, fresh)
  redis.call('DEL', domain, domain .. ':m')
  redis.call('HSET', domain, 'inc', inc, 'epoch', epoch, 'seq', 0, 'sealed', sealed, 'agreement', agreement(durability))
  return inc, epoch, 0, false
end

-- The members that hold leases, as a flat list: id, value, id, value ... What is no list of members is begun anew.
local function members(domain)
  local found = redis.pcall('HGETALL', domain .. ':m')
  if not found.err then return found end
  redis.call('DEL', domain .. ':m')
  return {}
end

-- Puts one invalidation in order and tells it to everyone who listens. Returns its sequence number.
local function announce(domain, channel, inc, kind, id)
  local seq = redis.call('HINCRBY', domain, 'seq', 1)
  redis.call('PUBLISH', channel, cjson.encode({ inc, seq, kind, id }))
  return seq
end
