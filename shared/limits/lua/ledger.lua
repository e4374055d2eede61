-- One ledger: a hash of time slot -> tokens granted in that slot, and `birth`, which tells it from an earlier ledger at
-- the same key. A slot counts until all of it is `keep_ms` (window + term) ago.

-- Reads without changing anything. A ledger of an earlier epoch, or what is no ledger at all, reads as empty.
-- So does one that was born no later than the grant `pardoned` (a number, or nil).
local function read_ledger(key, epoch, now, slot_ms, keep_ms, pardoned)
  local ledger = { key = key, slot_ms = slot_ms, keep_ms = keep_ms, charged = 0, slots = {}, ended = {} }
  local fields = redis.pcall('HGETALL', key)
  if fields.err then
    ledger.foreign = true
    return ledger
  end
  for i = 1, #fields, 2 do
    local slot, tokens = tonumber(fields[i]), tonumber(fields[i + 1])
    if fields[i] == 'birth' then
      ledger.birth = fields[i + 1]
    elseif slot and tokens and (slot + 1) * slot_ms > now - keep_ms then
      ledger.charged = ledger.charged + tokens
      ledger.slots[#ledger.slots + 1] = { slot, tokens }
    else
      ledger.ended[#ledger.ended + 1] = fields[i]
    end
  end
  local born = grant_in_epoch(ledger.birth, epoch)
  if #fields > 0 and not (born and born > (pardoned or 0)) then
    ledger.foreign, ledger.birth, ledger.charged, ledger.slots = true, nil, 0, {}
  end
  return ledger
end

-- Charges tokens to the slot of now, which is returned. The grant has been counted (count_grant) before.
local function charge(ledger, epoch, now, tokens)
  if ledger.foreign then
    redis.call('DEL', ledger.key)
  elseif #ledger.ended > 0 then
    redis.call('HDEL', ledger.key, unpack(ledger.ended))
  end
  if not ledger.birth then
    ledger.birth = name_grant(epoch)
    redis.call('HSET', ledger.key, 'birth', ledger.birth)
  end
  local slot = math.floor(now / ledger.slot_ms)
  redis.call('HINCRBY', ledger.key, slot, tokens)
  redis.call('PEXPIRE', ledger.key, ledger.keep_ms + 2 * ledger.slot_ms)
  ledger.charged = ledger.charged + tokens
  return slot
end

-- Milliseconds until `need` tokens will be free, when nobody else takes them.
local function wait_ms(ledger, limit, need, now)
  local free = limit - ledger.charged
  if free >= need then return 0 end
  table.sort(ledger.slots, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(ledger.slots) do
    free = free + entry[2]
    if free >= need then return (entry[1] + 1) * ledger.slot_ms + ledger.keep_ms - now end
  end
  return ledger.keep_ms
end
