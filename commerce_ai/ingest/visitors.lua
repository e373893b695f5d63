-- ARGV[1], packed: how many events stay, how long (seconds), visitors (key to events), and pairs of an anonymous visitor's
-- key and that of the customer who it turned out to be. An event reads "milliseconds product name".
local most, lives, visitors, ties = unpack(cmsgpack.unpack(ARGV[1]))
local function keep_newest(key, events)
  local seen, fresh = {}, {}
  for _, event in ipairs(events) do
    if not seen[event] then
      seen[event] = true
      fresh[#fresh + 1] = event
    end
  end
  table.sort(fresh, function(a, b)
    return tonumber(string.match(a, '^%d+')) < tonumber(string.match(b, '^%d+'))
  end)
  redis.call('DEL', key)
  redis.call('RPUSH', key, unpack(fresh, math.max(1, #fresh - most + 1)))
end
local function stay(key)
  -- A day more or less: looking is cheaper than writing, which is logged too.
  if redis.call('TTL', key) < lives - 86400 then
    redis.call('EXPIRE', key, lives)
  end
end
for key, events in pairs(visitors) do
  local length
  for first = 1, #events, 1000 do
    length = redis.call('RPUSH', key, unpack(events, first, math.min(first + 999, #events)))
  end
  -- What is too old goes only now and then: the list is read as a whole, and sorted by the reader.
  if length > 2 * most then
    keep_newest(key, redis.call('LRANGE', key, 0, -1))
  end
  stay(key)
end
for _, tie in ipairs(ties) do
  local before = redis.call('LRANGE', tie[1], 0, -1)
  if #before > 0 then
    for _, event in ipairs(redis.call('LRANGE', tie[2], 0, -1)) do
      before[#before + 1] = event
    end
    keep_newest(tie[2], before)
    stay(tie[2])
  end
end
return 0
