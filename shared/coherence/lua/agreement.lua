-- What all members of a domain must agree on. The record says it, and who disagrees does not join (join.lua).
local function agreement(durability)
  return 'protocol 3, durability ' .. durability
end

-- '1' when every session of the epoch has a sealed token (see sessions/token-seals.ts): it begins now, or did so under
-- this protocol. One that began under an older protocol may have others.
local function is_sealed(domain, epoch, fresh)
  if epoch == fresh then return '1' end
  local known = redis.pcall('HGET', domain, 'sealed')
  return type(known) == 'string' and known or '0'
end
