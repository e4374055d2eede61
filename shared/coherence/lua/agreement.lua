-- What all members of a domain must agree on. The record says it, and who disagrees does not join (join.lua).
local function agreement(durability)
  return 'protocol 2, durability ' .. durability
end
