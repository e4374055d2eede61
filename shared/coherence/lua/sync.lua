#!lua flags=allow-oom
-- A member says how far it has applied the invalidations, and so registers, acknowledges and asks to have its lease
-- renewed, all in one. Whether it may use the lease is its own decision, from the sequence number returned.
-- KEYS  1 domain
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 member id, 4 incarnation that `applied`
--       belongs to, 5 applied, 6 lease ms, 7 '1' when it has known that incarnation for a full lease,
--       8 the number of this sync, which grows with each, 9 the most replicas there may be (empty: any number)
-- Returns { inc, seq, the time here in ms }.
--@include domain
local inc, _, seq, settled = incarnation(KEYS[1], ARGV[1], ARGV[2])
-- With more nodes than were declared, the confirmations of two primaries could be by different ones.
if ARGV[9] ~= '' and replicas_of(this_node()) > tonumber(ARGV[9]) then
  error({ err = 'REPLICAS there are more data nodes than were declared' })
end
local applied = ARGV[5]
if ARGV[4] ~= inc then
  applied = '0'
elseif ARGV[7] == '1' and not settled then
  redis.call('HSET', KEYS[1], 'settled', 1)
end
-- One that its member gave up on, and that arrives late over an old connection, must not undo a newer one: it may
-- tell of another lease. (The number also makes each value one of a kind, for `expel` to compare.)
local list = KEYS[1] .. ':m'
local value = redis.pcall('HGET', list, ARGV[3])
if type(value) == 'table' then redis.call('DEL', list) end
local known = tonumber(type(value) == 'string' and string.match(value, ':(%d+)$') or '')
if not known or known < tonumber(ARGV[8]) then
  redis.call('HSET', list, ARGV[3], applied .. ':' .. ARGV[6] .. ':' .. ARGV[8])
end
local time = redis.call('TIME')
return { inc, seq, time[1] * 1000 + math.floor(time[2] / 1000) }
