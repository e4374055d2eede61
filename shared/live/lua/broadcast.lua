#!lua
-- Keeps an event for those who come back later, and publishes it under the id that it got.
-- KEYS  1 log of the channel
-- ARGV  1 pub/sub channel, 2 event (JSON), 3 how many events are kept, 4 how long, ms
-- Returns the id.
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'event', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[1], cjson.encode({ id, ARGV[2] }))
return id
