-- Shared by the scripts that write a session's fields: what is to be changed, and whether the data stays in its bound.

-- Field to value, or to false when it is to be removed. From ARGV[first] on: how many to set (n), n pairs of field and
-- value, then the fields to remove.
local function changes_from(first)
  local first_removed = first + 1 + 2 * tonumber(ARGV[first])
  local changes = {}
  for i = first + 1, first_removed - 2, 2 do changes[ARGV[i]] = ARGV[i + 1] end
  for i = first_removed, #ARGV do changes[ARGV[i]] = false end
  return changes
end

-- As much as `{"name":value,...}` takes. Names are bare here, after two letters that mark data.
local function data_size(name, value)
  return string.sub(name, 1, 2) == 'd:' and value and #name - 2 + #value + 4 or 0
end

-- Whether the application's data would grow, and beyond `most` bytes.
local function too_large(key, changes, most)
  local before, after = 1, 1
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    before = before + data_size(fields[i], fields[i + 1])
    if changes[fields[i]] == nil then after = after + data_size(fields[i], fields[i + 1]) end
  end
  for name, value in pairs(changes) do after = after + data_size(name, value) end
  return after > before and after > tonumber(most)
end

local function write_fields(key, changes)
  for name, value in pairs(changes) do
    if value then redis.call('HSET', key, name, value) else redis.call('HDEL', key, name) end
  end
  redis.pcall('HINCRBY', key, 'version', 1)
end
