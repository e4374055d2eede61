#!lua
-- Writes a session of an application's own store: makes a new one, or changes one that is still what its writer read.
-- A session that is gone, or that another user has now, is not written. Who it belongs to may change with it: a guest
-- signs in, a user signs out and goes on as a guest, another one takes over. Whoever signs in must not have been revoked
-- since the ticket was taken. Its sender must not repeat it.
-- KEYS  1 domain, 2 session, 3 guest session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 session key prefix, 4 user key prefix,
--       5 index key prefix, 6 channel, 7 session hash, 8 a new session id, 9 'new' | 'guest' | 'user': what it must be,
--       10 user that it must have, 11 user that it has afterwards (10, 11 empty: none), 12 ticket's inc, 13 ticket's seq,
--       14 idle ms, 15 absolute ms, 16 maximum of sessions, 17 lifetime ms of the user's record, 18 user agent, 19 ip,
--       20 the most bytes of data, as JSON, 21 how many fields to set (n), then n pairs, then the fields to remove
-- Returns { inc, 'gone' | 'taken' | 'superseded' | 'disabled' | 'too-large', seq } or
-- { inc, 'saved', seq, settled, members, count, '1' when something was announced }, count being the sessions that ended.
--@include stored
local inc, epoch, known_seq, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
local now, idle = now_ms(), tonumber(ARGV[14])
local was, becomes = ARGV[10], ARGV[11]
local found, from
if ARGV[9] == 'new' then
  if inc ~= ARGV[12] then return { inc, 'superseded', known_seq } end
  if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return { inc, 'taken', known_seq } end
elseif ARGV[9] == 'guest' then
  found, from = valid_guest(KEYS[3], epoch, now), KEYS[3]
else
  found, from = valid_session(KEYS[2], ARGV[4], epoch, now), KEYS[2]
  if found and found.uid ~= was then found = nil end
end
if from and not found then return { inc, 'gone', known_seq } end
local to = becomes == '' and KEYS[3] or KEYS[2]
local changes = changes_from(21)
if too_large(from or to, changes, ARGV[20]) then return { inc, 'too-large', known_seq } end

local seq, count = false, 0
local function tell(kind, id) seq = announce(KEYS[1], ARGV[6], inc, kind, id) end

local signs_in = becomes ~= '' and becomes ~= was
local user, index = ARGV[4] .. becomes, ARGV[5] .. becomes
if signs_in then
  replace_foreign(user, 'hash')
  replace_foreign(index, 'zset')
  local known = redis.call('HMGET', user, 'gen', 'disabled')
  if known[2] == '1' then return { inc, 'disabled', known_seq } end
  if inc ~= ARGV[12] or revoked_since(known[1], inc, ARGV[13]) then return { inc, 'superseded', known_seq } end
  redis.call('HSETNX', user, 'gen', inc .. ':' .. known_seq .. ':' .. ARGV[1])
  redis.call('HSETNX', user, 'version', 0)
  redis.call('HSETNX', user, 'roles', '[]')
  redis.call('HSETNX', user, 'profile', '{}')
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  local surplus = redis.call('ZCARD', index) + 1 - tonumber(ARGV[16])
  if surplus > 0 then
    count = surplus
    for i, entry in ipairs(redis.call('ZPOPMIN', index, surplus)) do
      if i % 2 == 1 then redis.call('DEL', ARGV[3] .. string.match(entry, ':(.*)$')) end
    end
    tell('user', becomes)
  end
end

if was ~= '' and was ~= becomes then
  redis.pcall('ZREM', ARGV[5] .. was, found.id .. ':' .. ARGV[7])
  tell('session', ARGV[7])
  count = count + 1
end
if from and from ~= to then redis.call('RENAME', from, to) end
if signs_in or not found then
  redis.call('HSET', to, 'epoch', epoch, 'abs', now + tonumber(ARGV[15]), 'id', ARGV[8], 'created', now, 'remember', '0')
  for field, value in pairs({ agent = ARGV[18], ip = ARGV[19] }) do
    if value ~= '' then redis.call('HSET', to, field, value) end
  end
  found = { abs = now + tonumber(ARGV[15]), id = ARGV[8] }
end
if signs_in then redis.call('HSET', to, 'uid', becomes, 'gen', redis.call('HGET', user, 'gen')) end
-- `was` reminds of a worker that may hold it as its former user's: its end has to be announced.
if becomes == '' and was ~= '' then
  redis.call('HDEL', to, 'uid', 'gen')
  redis.call('HSET', to, 'was', '1')
end
found.uid = becomes
local left
if becomes == '' then
  left = touch_guest(to, found, idle, now)
else
  left = touch_session(to, ARGV[7], ARGV[5], found, idle, now)
  outlive(user, tonumber(ARGV[17]))
  outlive(index, tonumber(ARGV[17]))
end
if left > 0 then write_fields(to, changes) end
local outcome = left > 0 and 'saved' or 'gone'
if not seq then return { inc, outcome, known_seq, settled, {}, 0, '0' } end
return { inc, outcome, seq, settled, members(KEYS[1]), count, '1' }
