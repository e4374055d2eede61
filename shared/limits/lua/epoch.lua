-- The clock of a group of ledgers, and its record: what has been granted and what may have been lost. Ledgers that
-- must not suffer from each other's losses have records of their own.
-- The record is a hash: id, n (tokens charged so far), run (the server's run id), kept (n when that run began), run_at
-- (ms), missing (tokens that this run is known to lack), checked (ms, when the run was looked at last), last (ms, the
-- latest `now`), ahead (ms that the server's clock has been set forward, less what it was set back), losses, lost, lost_at, lost_for.

-- No server is replaced by another one within this time, and to ask for the run id costs as much as all the rest.
local run_check_ms = 20

-- What is lost at once with all that was counted.
local everything = 2 ^ 40

-- Milliseconds on Redis' clock, the only one that charges are dated by.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
end

-- What was lost matters as long as a ledger would have counted it, or `lost_for` where that is shorter.
local function recovering_ms(epoch, now, keep_ms)
  if epoch.losses == 0 then return 0 end
  local matters = epoch.lost_for > 0 and math.min(epoch.lost_for, keep_ms) or keep_ms
  return math.max(0, epoch.lost_at + matters - now)
end

-- A loss while an earlier one still matters comes on top of it.
local function note_loss(key, epoch, at, tokens, lost_for, keep_ms)
  local again = recovering_ms(epoch, at, keep_ms) > 0
  epoch.losses = (again and epoch.losses or 0) + 1
  epoch.lost = (again and epoch.lost or 0) + tokens
  if again and (epoch.lost_for == 0 or lost_for == 0) then lost_for = 0 end
  epoch.lost_at, epoch.lost_for = at, lost_for
  redis.call('HSET', key, 'losses', epoch.losses, 'lost', epoch.lost, 'lost_at', at, 'lost_for', lost_for)
end

-- Of a record's id, for the ledgers that belong to it.
local function tag_of(id)
  return tonumber(id, 16)
end

local function begin_epoch(key, fresh, now, losses)
  local id = string.sub(redis.sha1hex(fresh), 1, 8)
  local epoch = { id = id, tag = tag_of(id), n = 0, run = run_id(), ahead = 0, losses = losses, lost_at = now, lost_for = 0 }
  epoch.lost = losses > 0 and everything or 0
  redis.call('DEL', key)
  redis.call('HSET', key, 'id', id, 'n', 0, 'run', epoch.run, 'kept', 0, 'run_at', now, 'missing', 0,
    'checked', now, 'last', now, 'ahead', 0, 'losses', losses, 'lost', epoch.lost, 'lost_at', now, 'lost_for', 0)
  return epoch
end

-- What the asking worker knows of the record: the beginning of the arguments of all that charge.
local function seen_by(argv)
  return { id = argv[2], run = argv[3], n = tonumber(argv[4]), losses = tonumber(argv[5]), lost_at = tonumber(argv[6]) }
end

-- As Redis counts; nil for anything else.
local function whole_number(text)
  local number = tonumber(text or '')
  return number and number == math.floor(number) and math.abs(number) < 2 ^ 52 and number or nil
end

-- The record as it stands, and nil when there is none.
local function read_epoch(key)
  local state = redis.pcall('HMGET', key, 'id', 'n', 'run', 'kept', 'run_at', 'missing', 'checked', 'last', 'ahead',
    'losses', 'lost', 'lost_at', 'lost_for')
  if state.err then return nil end
  for i = 2, 13 do
    if i ~= 3 then state[i] = whole_number(state[i]) end
  end
  local tag = state[1] and #state[1] == 8 and tag_of(state[1])
  if not (tag and state[2] and state[3] and state[9]) then return nil end
  return {
    id = state[1], tag = tag, n = state[2], run = state[3], kept = state[4] or 0, run_at = state[5] or 0,
    missing = state[6] or 0, checked = state[7] or 0, last = state[8] or 0, ahead = state[9],
    losses = state[10] or 0, lost = state[11] or 0, lost_at = state[12] or 0, lost_for = state[13] or 0,
  }
end

-- The time of the record. It never goes back: a clock that was set back costs no one anything.
local function time_of(epoch)
  return math.max(epoch.last, now_ms() - epoch.ahead)
end

-- The record in force, and its time. `seen` is what the asking worker knows: when the latest charge that it saw was
-- made in another run of the server, and this run began without it, charges were lost. A restart that lost nothing
-- costs nothing. Where there is no record all is lost; losses that the worker remembers count on.
local function current_epoch(key, fresh_id, seen, keep_ms)
  local epoch = read_epoch(key)
  if not epoch then
    local now = now_ms()
    local again = seen.losses > 0 and math.abs(now - seen.lost_at) < keep_ms
    return begin_epoch(key, fresh_id, now, again and seen.losses + 1 or 1), now
  end
  local server_now = now_ms() - epoch.ahead
  local now = math.max(epoch.last, server_now)
  if server_now < epoch.last then
    -- Set back: the time of the record goes on from where it was.
    epoch.ahead = epoch.ahead - (epoch.last - server_now)
    redis.call('HSET', key, 'ahead', epoch.ahead)
  end
  if math.abs(now - epoch.checked) > run_check_ms then
    local run = run_id()
    if run ~= epoch.run then
      epoch.run, epoch.kept, epoch.run_at, epoch.missing = run, epoch.n, now, 0
      redis.call('HSET', key, 'run', run, 'kept', epoch.n, 'run_at', now, 'missing', 0)
    end
    redis.call('HSET', key, 'checked', now, 'last', now)
  end
  if seen.id == epoch.id and seen.run ~= epoch.run and seen.n - epoch.kept > epoch.missing then
    local more = seen.n - epoch.kept - epoch.missing
    if epoch.missing == 0 then
      note_loss(key, epoch, epoch.run_at, more, 0, keep_ms)
    else
      epoch.lost = epoch.lost + more
      redis.call('HSET', key, 'lost', epoch.lost)
    end
    epoch.missing = epoch.missing + more
    redis.call('HSET', key, 'missing', epoch.missing)
  end
  return epoch, now
end

-- A limit after losses: lower by what can have been lost. Halved by each loss and never less than that, so that with
-- what was used before there are at most twice as many as the limit allows, however often something is lost.
local function lowered(limit, epoch, now, keep_ms)
  if recovering_ms(epoch, now, keep_ms) == 0 then return limit end
  return math.max(math.ceil(limit / 2 ^ epoch.losses), limit - epoch.lost)
end

-- Counts what is charged. Every token is counted, so that a worker can say when one was lost.
local function count_grant(key, epoch, tokens)
  epoch.n = redis.call('HINCRBY', key, 'n', tokens)
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
