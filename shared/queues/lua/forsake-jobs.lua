--[[
  Takes the locks off the jobs of a worker that has certainly died, and marks them as stalled, so that BullMQ's next
  look for stalled jobs, which may come at once now, puts them back. A job that is not active any more is not touched.

  KEYS[1]  list of active jobs
  KEYS[2]  set of jobs that may be stalled
  KEYS[3]  what keeps the looks for stalled jobs apart
  ARGV[1]  what the keys of jobs begin with
  ARGV[2]  name of the worker, as BullMQ keeps it in the job (`pb`)
  returns  how many jobs it had
  clock    none
]]
local forsaken = 0
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local job = ARGV[1] .. id
  if redis.call('HGET', job, 'pb') == ARGV[2] then
    redis.call('DEL', job .. ':lock')
    redis.call('SADD', KEYS[2], id)
    forsaken = forsaken + 1
  end
end
if forsaken > 0 then
  redis.call('DEL', KEYS[3])
end
return forsaken
