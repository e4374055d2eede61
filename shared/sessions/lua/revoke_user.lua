#!lua flags=allow-oom
-- Ends all sessions of a user by giving the user a new generation: the cost does not depend on how many there are
-- (what is left of them expires by itself). One session may be kept, under its own token or, by a rename, a new one.
-- Done twice (a lost reply) it ends in the same state; done again late it ends what is there then, and revives nothing.
-- KEYS  1 domain, 2 user, 3 user's index, 4 session to keep, 5 session to become (the same: keeps its token);
--       4 and 5 may be absent
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 user key prefix, 4 channel, 5 user id, 6 lifetime ms of the user's record,
--       7 request id, 8 hash of the session to become
-- Returns { inc, seq, settled, members, count, description of the session kept or false }.
--@include session
local inc, epoch, _, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
replace_foreign(KEYS[2], 'hash')
replace_foreign(KEYS[3], 'zset')
local now = now_ms()
local keep, renamed = KEYS[4], KEYS[5]
local kept = keep and (valid_session(keep, ARGV[3], epoch, now) or valid_session(renamed, ARGV[3], epoch, now))
if kept and kept.uid ~= ARGV[5] then kept = nil end

local seq = announce(KEYS[1], ARGV[4], inc, 'user', ARGV[5])
-- A repeat: what has been listed since is a login that came after.
local repeated = begin_generation(KEYS[2], inc, seq, ARGV[7])
local listed = redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf')
local count = repeated and 0 or listed - (kept and 1 or 0)
outlive(KEYS[2], tonumber(ARGV[6]))
if not repeated then redis.call('UNLINK', KEYS[3]) end

local description = false
if kept then
  if keep ~= renamed and redis.call('EXISTS', keep) == 1 then redis.call('RENAME', keep, renamed) end
  redis.call('HSET', renamed, 'gen', redis.call('HGET', KEYS[2], 'gen'))
  redis.call('ZADD', KEYS[3], now + kept.ttl, kept.id .. ':' .. ARGV[8])
  outlive(KEYS[3], tonumber(ARGV[6]))
  description = describe(renamed, KEYS[2], kept.ttl)
end
return { inc, seq, settled, members(KEYS[1]), math.max(0, count), description }
