-- ARGV: how many events stay, how long (seconds), number of visitors; for each visitor the count of what follows, and
-- pairs of milliseconds and event. KEYS: the visitors, then pairs of an anonymous visitor and a customer to be tied.
local most, lives, visitors = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at = 4
local function keep(key)
  redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
  redis.call('EXPIRE', key, lives)
end
for i = 1, visitors do
  local count = tonumber(ARGV[at])
  redis.call('ZADD', KEYS[i], unpack(ARGV, at + 1, at + count))
  keep(KEYS[i])
  at = at + count + 1
end
for i = visitors + 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('ZUNIONSTORE', KEYS[i + 1], 2, KEYS[i + 1], KEYS[i], 'AGGREGATE', 'MAX')
    keep(KEYS[i + 1])
  end
end
return 0
