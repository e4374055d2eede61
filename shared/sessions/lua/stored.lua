-- Shared by the scripts of an application's own store (koa-session, express-session), whose sessions need no user. One
-- that someone signed in to is a session like any other (session.lua); before that it is a guest's, under a key of its
-- own (`g:`), so that no other script takes it for a proof of anything.
--@include session
--@include fields

-- The guest session at `key` if it is valid. Otherwise nil, and 'corrupt' when what lies there is none.
local function valid_guest(key, epoch, now)
  local s = redis.pcall('HMGET', key, 'epoch', 'abs', 'seen')
  if s.err then return nil, 'corrupt' end
  local abs, seen = tonumber(s[2] or ''), tonumber(s[3] or '')
  if not (s[1] or s[2] or s[3]) then return nil end
  local ttl = redis.call('PTTL', key)
  if not (s[1] and abs and seen) or ttl <= 0 then return nil, 'corrupt' end
  if s[1] ~= epoch or now >= abs then return nil end
  return { abs = abs, seen = seen, ttl = ttl }
end

-- Marks the guest session as used now. Returns the milliseconds left; 0 means that it ended with this call.
local function touch_guest(key, guest, idle, now)
  local ttl = math.min(idle, guest.abs - now)
  if ttl <= 0 then
    redis.call('DEL', key)
    return 0
  end
  redis.call('HSET', key, 'seen', now)
  redis.call('PEXPIRE', key, ttl)
  return ttl
end

-- Has a revocation of this user been recorded after the announcement of this number? Its generation says so: it is
-- `incarnation:number` since a revocation, and something longer before the first one.
local function revoked_since(generation, inc, seq)
  local of, number = string.match(generation or '', '^([^:]+:[^:]+):(%d+)$')
  return of == inc and tonumber(number) > tonumber(seq)
end
