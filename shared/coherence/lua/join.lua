#!lua flags=allow-oom
-- May this process become a member? Those of one domain must speak the same protocol and mean the same by a restart of
-- Redis; the record says what they do. Members that disagree and live are left alone. When none of them was heard of
-- since the caller looked before, for longer than any lease, they are gone: a new incarnation begins under the caller's
-- agreement, in the same epoch, since no data was lost.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 what the caller saw before (empty: nothing)
-- Returns { inc, 'agreed' } or { inc, 'disagrees', their agreement, what was seen }.
--@include domain
local record = redis.pcall('HGETALL', KEYS[1])
if record.err then record = {} end
local inc, theirs, listed, before = '', nil, members(KEYS[1]), {}
for i = 1, #record, 2 do
  local field, value = record[i], record[i + 1]
  if field == 'inc' then inc = value end
  if field == 'agreement' then theirs = value end
  -- Protocol 1 had no agreement, and its members in the record itself.
  if string.sub(field, 1, 2) == 'w:' then
    before[#before + 1] = field
    listed[#listed + 1] = field .. value
  end
end
if #before > 0 then theirs = 'protocol 1' end

local ours = agreement(string.match(ARGV[2], '^%S+'))
if theirs and theirs ~= ours then
  table.sort(listed)
  local seen = redis.sha1hex(table.concat(listed, ' '))
  if ARGV[3] ~= seen then return { inc, 'disagrees', theirs, seen } end
  redis.call('DEL', KEYS[1] .. ':m')
  redis.call('HDEL', KEYS[1], 'settled', unpack(before))
  local run_id = string.match(inc, '^%x+:')
  if run_id then redis.call('HSET', KEYS[1], 'inc', run_id .. ARGV[1], 'seq', 0) end
end
inc = incarnation(KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], 'agreement', ours)
return { inc, 'agreed' }
