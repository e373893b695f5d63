-- One token bucket for each of KEYS, kept as the instant at which it will be full again. A full bucket needs no key,
-- so keys expire by themselves. ARGV: id of a key to note as used (or ''), where such are noted, then the number of
-- tokens to take, rate and burst for each of KEYS.
-- Answers 0 after taking from every bucket, or the milliseconds to wait, taking from none.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local wait, full = 0, {}
if ARGV[1] ~= '' then
  redis.call('HSET', ARGV[2], ARGV[1], string.format('%d', now))
end
for i, key in ipairs(KEYS) do
  local tokens, rate, burst = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local at = tonumber(redis.call('GET', key) or now)
  if at < now then at = now end
  full[i] = at + tokens / rate
  local over = full[i] - now - burst / rate
  if over > 0.0000001 and over > wait then wait = over end
end
if wait > 0 then
  return math.ceil(wait * 1000)
end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.6f', full[i]), 'PX', math.ceil((full[i] - now) * 1000) + 1)
end
return 0
