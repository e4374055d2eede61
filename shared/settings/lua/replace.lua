#!lua
-- Replaces the stored settings, only if they are still those that the change was made from. What is no text is none.
-- KEYS  1 settings
-- ARGV  1 the text that was read (empty: there was none), 2 the new text
-- Returns 1 when replaced.
local stored = redis.pcall('GET', KEYS[1]) or ''
if type(stored) == 'table' then stored = '' end
if stored ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
