#!lua flags=allow-oom
-- Takes back tokens that were granted and will surely never be used. Once for each grant, however often it is asked.
-- Nothing when the ledger is another one by now (a reset, a new epoch), or may be an older copy of it (another run of
-- the server): its charges are not ours.
-- KEYS  1 marker of the grant, 2 ledger, 3 record
-- ARGV  1 slot, 2 tokens, 3 birth of the ledger, 4 lifetime of the marker in ms, 5 run that granted, 6 epoch that granted,
--       7 keep ms, 8 slot ms
-- Returns 1 when taken back. allow-oom: it frees.
--@include epoch
--@include ledger
local epoch = read_epoch(KEYS[3])
if not epoch or epoch.id ~= ARGV[6] or run_id() ~= ARGV[5] then return 0 end
local slot, tokens = tonumber(ARGV[1]), tonumber(ARGV[2])
local charged, birth, base, first, last, of_last, older =
  read_ledger(KEYS[2], epoch, time_of(epoch), tonumber(ARGV[8]), tonumber(ARGV[7]))
if birth ~= tonumber(ARGV[3]) then return 0 end

local left
if slot == base + last then
  left = of_last - tokens
  of_last = left
else
  for at = 1, #older, entry_size do
    local distance, before = struct.unpack(entry, older, at)
    if base + distance == slot then
      left = before - tokens
      if left < 0 then return 0 end
      local rest = struct.pack(entry, distance, left)
      older = string.sub(older, 1, at - 1) .. rest .. string.sub(older, at + entry_size)
      break
    end
  end
end
if not left or left < 0 then return 0 end
if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[4]) then return 0 end
if charged == tokens then
  redis.call('DEL', KEYS[2])
else
  local value = struct.pack(header, epoch.tag, birth, base, charged - tokens, last, of_last, first) .. older
  redis.call('SET', KEYS[2], value, 'KEEPTTL')
end
return 1
