-- One ledger: the tokens that were granted in each time slot. A slot counts until all of it is `keep_ms` (window + term)
-- ago. It is one string, which Redis reads and writes in one command each:
--   a single token:  digits, which Redis keeps as a number: slot, 5 of the birth, 1 of the epoch
--   all else:        epoch (4 bytes), birth (6), base (6, a slot), sum (4), then for each slot its distance from the
--                    base (2) and its tokens (4), oldest first
-- The birth, a grant number, tells it from an earlier ledger at the same key; exact where the caller says so, else its
-- last 5 digits.

local header, header_size = '>I4I6I6I4', 20
local entry, entry_size = '>I2I4', 6
local farthest = 65535

-- A clock that is set forward by no more than this takes no ledger away too early.
local step_slack_ms = 1000

-- What the string says: charged, birth, base, entries. Nothing of a ledger that has ended, is of an earlier epoch, was
-- born no later than the grant `pardoned` (a number, or nil), or is no ledger at all.
local function read_ledger(value, epoch, now, slot_ms, keep_ms, pardoned)
  if type(value) ~= 'string' then return 0 end
  local size = #value
  local since = now - keep_ms
  if size < header_size then
    local slot, rest = whole_number(string.sub(value, 1, -7)), whole_number(string.sub(value, -6))
    if not (slot and rest) or rest % 10 ~= epoch.tag % 10 or (slot + 1) * slot_ms <= since then return 0 end
    return 1, math.floor(rest / 10), slot, struct.pack(entry, 0, 1)
  end
  if (size - header_size) % entry_size ~= 0 or size == header_size then return 0 end
  local tag, birth, base, charged = struct.unpack(header, value)
  if tag ~= epoch.tag or (pardoned and birth <= pardoned) then return 0 end
  local at = header_size + 1
  while at < size do
    local distance, tokens = struct.unpack(entry, value, at)
    if (base + distance + 1) * slot_ms > since then
      return charged, birth, base, string.sub(value, at)
    end
    charged = charged - tokens
    at = at + entry_size
  end
  return 0
end

-- So that the first entry lies at the base.
local function rebase(base, entries)
  local shift = struct.unpack(entry, entries)
  local moved = {}
  for at = 1, #entries, entry_size do
    local distance, tokens = struct.unpack(entry, entries, at)
    moved[#moved + 1] = struct.pack(entry, distance - shift, tokens)
  end
  return base + shift, table.concat(moved)
end

-- Charges tokens to the slot of now, or to the latest one that is charged, and returns it, with the birth. The grant has
-- been counted (epoch.n) before. Tokens that may be used for `extra_ms` longer than usual count as if they were granted so
-- much later.
local function charge(key, epoch, now, slot_ms, keep_ms, charged, birth, base, entries, tokens, extra_ms, exact)
  local slot = math.floor((now + extra_ms) / slot_ms)
  local value
  if not birth then
    birth = exact and epoch.n or epoch.n % 100000
    if tokens == 1 and not exact then
      value = string.format('%d%05d%d', slot, birth, epoch.tag % 10)
    else
      value = struct.pack(header, epoch.tag, birth, slot, tokens) .. struct.pack(entry, 0, tokens)
    end
  else
    local distance, before = struct.unpack(entry, entries, #entries - entry_size + 1)
    if slot <= base + distance then
      slot = base + distance
      entries = string.sub(entries, 1, -entry_size - 1) .. struct.pack(entry, distance, before + tokens)
    else
      if slot - base > farthest then base, entries = rebase(base, entries) end
      entries = entries .. struct.pack(entry, slot - base, tokens)
    end
    value = struct.pack(header, epoch.tag, birth, base, charged + tokens) .. entries
  end
  -- As long as the latest slot counts, and one slot more.
  local life_ms = (slot + 2) * slot_ms + keep_ms + step_slack_ms - now
  redis.call('SET', key, value, 'PX', life_ms)
  return slot, birth
end

-- Milliseconds until `need` tokens will be free, when nobody else takes them.
local function wait_ms(charged, base, entries, limit, need, now, slot_ms, keep_ms)
  local free = limit - charged
  if free >= need then return 0 end
  for at = 1, #(entries or ''), entry_size do
    local distance, tokens = struct.unpack(entry, entries, at)
    free = free + tokens
    if free >= need then return (base + distance + 1) * slot_ms + keep_ms - now end
  end
  return keep_ms
end
