-- One ledger: a hash of time slot -> tokens granted in that slot, and `birth`, which tells it from an earlier ledger at
-- the same key. A slot counts until all of it is `keep_ms` (window + term) ago.

-- Slots that have ended are removed this many at a time.
local sweep_at = 8

-- A clock that is set forward by no more than this takes no ledger away too early.
local step_slack_ms = 1000

local function counts(ledger, slot)
  return (slot + 1) * ledger.slot_ms > ledger.now - ledger.keep_ms
end

-- Reads without changing anything. A ledger of an earlier epoch, or what is no ledger at all, reads as empty.
-- So does one that was born no later than the grant `pardoned` (a number, or nil).
local function read_ledger(key, epoch, now, slot_ms, keep_ms, pardoned)
  local ledger = { key = key, now = now, slot_ms = slot_ms, keep_ms = keep_ms, charged = 0, ended = 0, fields = {} }
  local fields = redis.pcall('HGETALL', key)
  if fields.err then
    ledger.foreign = true
    return ledger
  end
  for i = 1, #fields, 2 do
    local slot, tokens = tonumber(fields[i]), tonumber(fields[i + 1])
    if slot and tokens and counts(ledger, slot) then
      ledger.charged = ledger.charged + tokens
    elseif fields[i] == 'birth' then
      ledger.birth = fields[i + 1]
    else
      ledger.ended = ledger.ended + 1
    end
  end
  local ours = is_of_epoch(ledger.birth, epoch) and not (pardoned and grant_number(ledger.birth) <= pardoned)
  if ours then
    ledger.fields = fields
  elseif #fields > 0 then
    ledger.foreign, ledger.birth, ledger.charged, ledger.ended = true, nil, 0, 0
  end
  return ledger
end

local function remove_ended(ledger)
  local ended = {}
  for i = 1, #ledger.fields, 2 do
    local field = ledger.fields[i]
    local slot = tonumber(field)
    if field ~= 'birth' and not (slot and counts(ledger, slot)) then ended[#ended + 1] = field end
  end
  if #ended > 0 then redis.call('HDEL', ledger.key, unpack(ended)) end
end

-- Charges tokens to the slot of now, which is returned. The grant has been counted (count_grant) before. Tokens that may
-- be used for `extra_ms` longer than usual count as if they were granted so much later.
local function charge(ledger, epoch, tokens, extra_ms)
  if ledger.foreign then redis.call('DEL', ledger.key) end
  if ledger.ended >= sweep_at then remove_ended(ledger) end
  if not ledger.birth then
    ledger.birth = name_grant(epoch)
    redis.call('HSET', ledger.key, 'birth', ledger.birth)
  end
  local slot = math.floor((ledger.now + extra_ms) / ledger.slot_ms)
  local in_slot = redis.call('HINCRBY', ledger.key, slot, tokens)
  -- Later charges of the slot are less than a slot younger: one more slot of life covers them.
  if in_slot == tokens then
    local life_ms = ledger.keep_ms + 2 * ledger.slot_ms + extra_ms + step_slack_ms
    if life_ms > redis.call('PTTL', ledger.key) then redis.call('PEXPIRE', ledger.key, life_ms) end
  end
  ledger.charged = ledger.charged + tokens
  return slot
end

-- Milliseconds until `need` tokens will be free, when nobody else takes them.
local function wait_ms(ledger, limit, need)
  local free = limit - ledger.charged
  if free >= need then return 0 end
  local slots = {}
  for i = 1, #ledger.fields, 2 do
    local slot = tonumber(ledger.fields[i])
    if slot and counts(ledger, slot) then slots[#slots + 1] = { slot, tonumber(ledger.fields[i + 1]) or 0 } end
  end
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(slots) do
    free = free + entry[2]
    if free >= need then return (entry[1] + 1) * ledger.slot_ms + ledger.keep_ms - ledger.now end
  end
  return ledger.keep_ms
end
