-- Shared by the scripts of remote sessions, which another service validates. A key of a token holds what the service said
-- of it (uid, value, until, inc, seq, epoch), and what ended it: `revoked`, or `dropped` at a point. A point is
-- `incarnation number`, the last announcement at that time. The clock is Redis' own.
--@include ../../coherence/lua/domain

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function point(inc, seq)
  return inc .. ' ' .. seq
end

-- Was this mark set after the point? Incarnations have no order but that the present one is the last: where that does
-- not help, yes.
local function after(mark, inc, seq, present)
  if not mark then return false end
  local of, number = string.match(mark, '^(%S+) (%d+)$')
  if of == inc then return tonumber(number) > tonumber(seq) end
  return not (of and inc == present and of ~= present)
end

-- A mark that is none says that something was ended, and not when: so it was now.
local function read_mark(key, inc, seq)
  local mark = redis.pcall('GET', key)
  if not mark or (type(mark) == 'string' and string.match(mark, '^%S+ %d+$')) then return mark end
  redis.call('SET', key, point(inc, seq), 'PX', 172800000)
  return point(inc, seq)
end

-- Whether the user, or everybody, was dropped after the point; `present` and `now` are the last one.
local function dropped_since(user_key, all_key, inc, seq, present, now)
  return after(read_mark(user_key, present, now), inc, seq, present)
    or after(read_mark(all_key, present, now), inc, seq, present)
end

-- What someone else wrote where a token belongs is worth nothing.
local function replace_foreign(key)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= 'hash' then redis.call('DEL', key) end
end
