-- Shared by the session scripts: what is true of one session and of its user.
-- The clock is Redis' own (TIME), in milliseconds; it is compared only with deadlines that Redis wrote.
--@include ../../coherence/lua/domain

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The session at `key` if it is valid: it exists, with a deadline, and was created in this epoch and in its user's
-- current generation, and the user is not disabled. Otherwise nil, and 'corrupt' when what lies there is no session.
local function valid_session(key, user_prefix, epoch, now)
  local s = redis.pcall('HMGET', key, 'uid', 'gen', 'epoch', 'abs', 'id', 'seen')
  if s.err then return nil, 'corrupt' end
  local uid, gen, abs, id, seen = s[1], s[2], tonumber(s[4] or ''), s[5], tonumber(s[6] or '')
  if not (uid or gen or s[3] or s[4] or id) then return nil end
  if not (uid and gen and s[3] and abs and id and seen) then return nil, 'corrupt' end
  local ttl = redis.call('PTTL', key)
  if ttl <= 0 then return nil, 'corrupt' end
  local u = redis.pcall('HMGET', user_prefix .. uid, 'gen', 'disabled')
  if u.err then return nil, 'corrupt' end
  if s[3] ~= epoch or u[1] ~= gen or u[2] == '1' or now >= abs then return nil end
  return { uid = uid, abs = abs, id = id, seen = seen, ttl = ttl }
end

-- Marks the session as used now: it lives for `idle` from here, but never past its absolute deadline.
-- Returns the milliseconds left; 0 means that it ended with this call. A damaged index (pcall) must not cost anyone the
-- session: it only lists.
local function touch_session(key, hash, index_prefix, session, idle, now)
  local ttl = math.min(idle, session.abs - now)
  local member = session.id .. ':' .. hash
  if ttl <= 0 then
    redis.call('DEL', key)
    redis.pcall('ZREM', index_prefix .. session.uid, member)
    return 0
  end
  redis.call('HSET', key, 'seen', now)
  redis.call('PEXPIRE', key, ttl)
  redis.pcall('ZADD', index_prefix .. session.uid, now + ttl, member)
  return ttl
end

-- What someone else wrote where a user's record or index belongs is of no use to anybody: without this, that user
-- could never sign in again. Sessions that depended on it are dead already.
local function replace_foreign(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then redis.call('DEL', key) end
end

-- A user's record and index must outlive every session that depends on them.
local function outlive(key, lifetime)
  if redis.call('PTTL', key) < lifetime then redis.call('PEXPIRE', key, lifetime) end
end

-- Gives the user a new generation, which ends all sessions of the one before: made of the number of this revocation, so
-- it was never used and never will be. A client's value would be set again by a late duplicate, and revive what it had
-- ended itself. The request's id only recognises a repeat, which changes nothing.
-- Returns whether it is one.
local function begin_generation(key, inc, seq, request)
  if redis.call('HGET', key, 'request') == request then return true end
  redis.call('HSET', key, 'gen', inc .. ':' .. seq, 'request', request)
  return false
end

-- Writes what the application says of the user, unless something newer is known. Versions can be compared only within
-- one lineage: another one replaces whatever is known. One that is not named ('') is compared with any.
-- Returns whether it was written, and whether it replaced something else.
local function write_subject(key, lineage, version, roles, profile)
  local known = redis.call('HMGET', key, 'version', 'lineage', 'roles', 'profile')
  local same = lineage == '' or lineage == known[2]
  if same and (tonumber(known[1] or '') or -1) > tonumber(version) then return false, false end
  if same and known[1] == version and known[3] == roles and known[4] == profile then return true, false end
  redis.call('HSET', key, 'version', version, 'roles', roles, 'profile', profile)
  if lineage ~= '' then redis.call('HSET', key, 'lineage', lineage) end
  return true, known[1] ~= false
end

-- What a worker needs to know of a valid session, in the order that scripts.ts parses.
local function describe(key, user_key, ttl)
  local s = redis.call('HMGET', key, 'uid', 'id', 'label', 'agent', 'ip', 'remember', 'created', 'seen', 'abs')
  local u = redis.call('HMGET', user_key, 'version', 'roles', 'profile', 'lineage')
  return { ttl, s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], u[1], u[2], u[3], u[4] }
end
