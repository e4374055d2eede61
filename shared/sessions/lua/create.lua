#!lua
-- Last step of a login: creates the session, only if nothing that `prepare` saw has changed. Ends the sessions of the
-- user that are too many (those that would expire first), or all others. If it ended one, or what it says of the user is
-- other than what the user's sessions know, every worker drops what it holds of the user; else none has to hear of it.
-- Its sender must not repeat it: after a lost reply the session may exist, but no one knows its token.
-- KEYS  1 domain, 2 user, 3 user's index, 4 session
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 session key prefix, 4 channel, 5 inc, 6 generation, 7 session hash,
--       8 session id, 9 user id, 10 idle ms, 11 absolute ms, 12 maximum of sessions, 13 '1' to end all others,
--       14 lifetime ms of the user's record, 15 subject's lineage, 16 version, 17 roles, 18 profile, 19 remember,
--       20 label, 21 user agent, 22 ip (the last three: empty for none)
-- Returns { inc, 'superseded' | 'disabled', seq } or { inc, 'created', seq, settled, members, count, description,
-- '1' when it was announced }, count being the sessions that it ended.
--@include session
local inc, epoch, known_seq, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2], 'hash')
replace_foreign(KEYS[3], 'zset')
local user = redis.call('HMGET', KEYS[2], 'gen', 'disabled')
if user[2] == '1' then return { inc, 'disabled', known_seq } end
local generation = user[1]
if inc ~= ARGV[5] or generation ~= ARGV[6] or redis.call('EXISTS', KEYS[4]) == 1 then return { inc, 'superseded', known_seq } end

local now = now_ms()
local absolute = tonumber(ARGV[11])
local ttl = math.min(tonumber(ARGV[10]), absolute)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local seq = false
local function tell()
  seq = seq or announce(KEYS[1], ARGV[4], inc, 'user', ARGV[9])
  return seq
end

local others = redis.call('ZCARD', KEYS[3])
local count = 0
if ARGV[13] == '1' then
  count = others
  generation = inc .. ':' .. tell()
  redis.call('HSET', KEYS[2], 'gen', generation)
  redis.call('UNLINK', KEYS[3])
else
  local surplus = others + 1 - tonumber(ARGV[12])
  if surplus > 0 then
    count = surplus
    for i, entry in ipairs(redis.call('ZPOPMIN', KEYS[3], surplus)) do
      if i % 2 == 1 then redis.call('DEL', ARGV[3] .. string.match(entry, ':(.*)$')) end
    end
  end
end

local _, changed = write_subject(KEYS[2], ARGV[15], ARGV[16], ARGV[17], ARGV[18])
if count > 0 or changed then tell() end
redis.call('HSET', KEYS[4], 'uid', ARGV[9], 'gen', generation, 'epoch', epoch, 'version', 1, 'abs', now + absolute,
  'id', ARGV[8], 'created', now, 'seen', now, 'remember', ARGV[19])
for field, value in pairs({ label = ARGV[20], agent = ARGV[21], ip = ARGV[22] }) do
  if value ~= '' then redis.call('HSET', KEYS[4], field, value) end
end
redis.call('PEXPIRE', KEYS[4], ttl)
redis.call('ZADD', KEYS[3], now + ttl, ARGV[8] .. ':' .. ARGV[7])
outlive(KEYS[2], tonumber(ARGV[14]))
outlive(KEYS[3], tonumber(ARGV[14]))

local description = describe(KEYS[4], KEYS[2], ttl)
if not seq then return { inc, 'created', known_seq, settled, {}, count, description, '0' } end
return { inc, 'created', seq, settled, members(KEYS[1]), count, description, '1' }
