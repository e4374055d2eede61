#!lua flags=allow-oom
-- Is there a valid session with this public id? Does not count as use.
-- KEYS  1 domain, 2 user's index
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 session key prefix, 4 user key prefix, 5 user id, 6 session id
-- Returns { inc, seq } and, when there is one, the hash of its token and the milliseconds left.
--@include session
local inc, epoch, seq = incarnation(KEYS[1], ARGV[1], ARGV[2])
local entries = redis.pcall('ZRANGE', KEYS[2], 0, -1)
if entries.err then entries = {} end
for _, entry in ipairs(entries) do
  local id, hash = string.match(entry, '^([^:]*):(.*)$')
  if id == ARGV[6] then
    local session = valid_session(ARGV[3] .. hash, ARGV[4], epoch, now_ms())
    if session and session.uid == ARGV[5] then return { inc, seq, hash, session.ttl } end
  end
end
return { inc, seq, false, 0 }
