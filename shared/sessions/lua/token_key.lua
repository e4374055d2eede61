#!lua flags=allow-oom
-- The key that seals tokens, made at most once: what is proposed counts only where there is none.
-- KEYS  1 domain, 2 the key
-- ARGV  1 fresh random, 2 what the caller knows (see domain.lua), 3 the key proposed (empty: none), 4 the incarnation in
--       which it may be set (empty: any)
-- Returns { inc, the key (empty: none), '1' when every session of this epoch is sealed }.
--@include ../../coherence/lua/domain
local inc = incarnation(KEYS[1], ARGV[1], ARGV[2])
local key = redis.pcall('GET', KEYS[2])
if type(key) ~= 'string' or #key ~= 43 then
  redis.call('DEL', KEYS[2])
  key = ''
end
if key == '' and ARGV[3] ~= '' and (ARGV[4] == '' or ARGV[4] == inc) then
  key = ARGV[3]
  redis.call('SET', KEYS[2], key)
end
return { inc, key, redis.call('HGET', KEYS[1], 'sealed') or '' }
