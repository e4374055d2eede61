-- The clock, and the epoch of a group of ledgers: the time since which no charge is known to have been lost.
-- The epoch is a hash: id, since (ms), n (grants so far), run (the server's run id), kept (n when that run began).

-- Milliseconds on Redis' clock, the only one that charges are dated by.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
end

local function begin_epoch(key, id, since)
  local epoch = { id = id, since = since, n = 0, run = run_id() }
  redis.call('DEL', key)
  redis.call('HSET', key, 'id', id, 'since', since, 'n', 0, 'run', epoch.run, 'kept', 0)
  return epoch
end

-- The epoch in force. `seen` is the latest grant that the asking worker knows of: when that grant was made by another
-- run of the server and this run began without it, charges were lost, and a new epoch begins. A restart that lost
-- nothing costs nothing.
local function current_epoch(key, now, fresh_id, seen)
  local run = run_id()
  local state = redis.pcall('HMGET', key, 'id', 'since', 'n', 'run', 'kept')
  local id, since, n = state[1], tonumber(state[2] or ''), tonumber(state[3] or '')
  if state.err or not (id and since and n) then return begin_epoch(key, fresh_id, now) end

  local kept = tonumber(state[5] or '') or 0
  if state[4] ~= run then
    kept = n
    redis.call('HSET', key, 'run', run, 'kept', kept)
  end
  if seen.id == id and seen.run ~= run and seen.n > kept then return begin_epoch(key, fresh_id, now) end
  return { id = id, since = since, n = n, run = run }
end

-- Milliseconds until charges that may have been lost no longer matter to a ledger that keeps them for `keep_ms`.
local function quarantine_ms(epoch, now, keep_ms)
  return math.max(0, epoch.since + keep_ms - now)
end

-- Counts one grant. Every grant is counted, so that a worker can tell when one was lost.
local function count_grant(key, epoch)
  epoch.n = redis.call('HINCRBY', key, 'n', 1)
end

-- The latest grant, by a name that tells its epoch.
local function name_grant(epoch)
  return epoch.id .. '.' .. epoch.n
end

-- The number of the grant of this name, or nil when it is of another epoch.
local function grant_in_epoch(name, epoch)
  local id, n = string.match(name or '', '^(.*)%.(%d+)$')
  return id == epoch.id and tonumber(n) or nil
end
