-- The clock, and the epoch of a group of ledgers: the time since which no charge is known to have been lost.
-- The epoch is a hash: id, since (ms), n (grants so far), run (the server's run id), kept (n when that run began),
-- checked (ms, when the run was looked at last).

-- No server is replaced by another one within this time, and to ask for the run id costs as much as all the rest.
local run_check_ms = 20

-- Milliseconds on Redis' clock, the only one that charges are dated by.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
end

local function begin_epoch(key, id, since, now)
  local epoch = { id = id, since = since, n = 0, run = run_id() }
  redis.call('DEL', key)
  redis.call('HSET', key, 'id', id, 'since', since, 'n', 0, 'run', epoch.run, 'kept', 0, 'checked', now)
  return epoch
end

-- The epoch in force. `seen` is the latest grant that the asking worker knows of: when that grant was made by another
-- run of the server and this run began without it, charges were lost, and a new epoch begins. A restart that lost
-- nothing costs nothing.
local function current_epoch(key, now, fresh_id, seen)
  local state = redis.pcall('HMGET', key, 'id', 'since', 'n', 'run', 'kept', 'checked')
  local id, since, n, run = state[1], tonumber(state[2] or ''), tonumber(state[3] or ''), state[4]
  if state.err or not (id and since and n) then return begin_epoch(key, fresh_id, now, now) end

  local kept, checked = tonumber(state[5] or '') or 0, tonumber(state[6] or '') or 0
  if math.abs(now - checked) > run_check_ms then
    local run_now = run_id()
    if run_now ~= run then run, kept = run_now, n end
    redis.call('HSET', key, 'run', run, 'kept', kept, 'checked', now)
  end
  if seen.id == id and seen.run ~= run and seen.n > kept then return begin_epoch(key, fresh_id, now, now) end
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

local function is_of_epoch(name, epoch)
  return name and string.sub(name, 1, #epoch.id + 1) == epoch.id .. '.'
end

local function grant_number(name)
  return tonumber(string.match(name, '%d+$'))
end
