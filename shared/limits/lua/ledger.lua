-- One ledger: the tokens that were granted in each time slot. A slot counts until all of it is `keep_ms` (window + term)
-- ago. It is one string, which Redis reads and writes in one command each:
--   a single token:  a number below 10,000, of which Redis keeps one object for all: the last digits of the slot (3) and of
--                    the epoch (1). The rest of the slot follows from when the key expires. Its birth is 0.
--   all else:        epoch (4 bytes), birth (6), base (6, a slot), sum (4), the latest slot (2, its distance from the base)
--                    and its tokens (4), the oldest slot (2); then the other slots (2) with their tokens (4), oldest first
-- The birth, the number of a grant or a reset, tells a ledger from an earlier one at the same key. One that was reset is
-- never a single token as long as grants from before the reset can come back.

local header, header_size = '>I4I6I6I4I2I4I2', 28
local entry, entry_size = '>I2I4', 6
local farthest = 65535

-- A clock that is set forward by no more than this takes no ledger away too early.
local step_slack_ms = 1000

-- As long as the latest slot counts, and one slot more.
local function life_ms(slot, now, slot_ms, keep_ms)
  return (slot + 2) * slot_ms + keep_ms + step_slack_ms - now
end

-- The slot of a single token. Where a clock was set since it was written the expiry is off by that, but not the digits.
-- Nil where the key does not expire: each that was written here does.
local function slot_of_single(key, digits, now, slot_ms, keep_ms)
  local left = redis.call('PTTL', key)
  if left < 0 then return nil end
  local about = math.floor((left + now - keep_ms - step_slack_ms) / slot_ms) - 2
  return about + (digits - about + 500) % 1000 - 500
end

-- What a ledger says: charged, birth, base, oldest and latest slot, tokens of the latest, and the other slots. Charged is
-- 0, and nothing else is told, of one that has ended, is of an earlier epoch, was born no later than the grant `pardoned`
-- (a number, or nil), or is no ledger at all.
local function read_ledger(key, epoch, now, slot_ms, keep_ms, pardoned)
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then return 0 end
  local size = #value
  local since = now - keep_ms
  if size < header_size then
    local number = whole_number(value)
    if size > 4 or not number or number < 0 or number % 10 ~= epoch.tag % 10 then return 0 end
    local slot = slot_of_single(key, math.floor(number / 10), now, slot_ms, keep_ms)
    if not slot or (slot + 1) * slot_ms <= since then return 0 end
    return 1, 0, slot, 0, 0, 1, ''
  end
  local tag, birth, base, charged, last, of_last, first = struct.unpack(header, value)
  if tag ~= epoch.tag or (pardoned and birth <= pardoned) or (size - header_size) % entry_size ~= 0 then return 0 end
  if (base + last + 1) * slot_ms <= since then return 0 end
  local at = header_size + 1
  while (base + first + 1) * slot_ms <= since do
    local _, tokens = struct.unpack(entry, value, at)
    charged, at = charged - tokens, at + entry_size
    if at > size then
      first = last
      break
    end
    first = struct.unpack(entry, value, at)
  end
  return charged, birth, base, first, last, of_last, string.sub(value, at)
end

-- So that the oldest slot lies at the base.
local function rebase(base, first, older)
  local moved = {}
  for at = 1, #older, entry_size do
    local distance, tokens = struct.unpack(entry, older, at)
    moved[#moved + 1] = struct.pack(entry, distance - first, tokens)
  end
  return base + first, table.concat(moved)
end

-- Forgets what was charged. Grants from before are of another birth.
local function begin_anew(key, epoch, now, slot_ms, keep_ms)
  local slot = math.floor(now / slot_ms)
  local value = struct.pack(header, epoch.tag, epoch.n, slot, 0, 0, 0, 0)
  redis.call('SET', key, value, 'PX', life_ms(slot, now, slot_ms, keep_ms))
end

-- Charges tokens to the slot of now, or to the latest one that is charged, and returns it, with the birth. The grant has
-- been counted (epoch.n) before. Tokens that may be used for `extra_ms` longer than usual count as if they were granted so
-- much later.
local function charge(key, epoch, now, slot_ms, keep_ms,
  charged, birth, base, first, last, of_last, older, tokens, extra_ms, exact)
  local slot = math.floor((now + extra_ms) / slot_ms)
  local value
  if birth then
    if slot <= base + last then
      slot = base + last
      of_last = of_last + tokens
    else
      older = older .. struct.pack(entry, last, of_last)
      if slot - base > farthest then
        base, older = rebase(base, first, older)
        first = 0
      end
      last, of_last = slot - base, tokens
    end
    value = struct.pack(header, epoch.tag, birth, base, charged + tokens, last, of_last, first) .. older
  else
    if tokens == 1 and not exact then
      birth, value = 0, slot % 1000 * 10 + epoch.tag % 10
    else
      birth = epoch.n
      value = struct.pack(header, epoch.tag, birth, slot, tokens, 0, tokens, 0)
    end
  end
  redis.call('SET', key, value, 'PX', life_ms(slot, now, slot_ms, keep_ms))
  return slot, birth
end

-- Milliseconds until `need` tokens will be free, when no one else takes them.
local function wait_ms(charged, base, last, of_last, older, limit, need, now, slot_ms, keep_ms)
  local free = limit - charged
  if free >= need then return 0 end
  for at = 1, #(older or ''), entry_size do
    local distance, tokens = struct.unpack(entry, older, at)
    free = free + tokens
    if free >= need then return (base + distance + 1) * slot_ms + keep_ms - now end
  end
  if last and free + of_last >= need then return (base + last + 1) * slot_ms + keep_ms - now end
  return keep_ms
end
