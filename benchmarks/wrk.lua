-- Sends each path of a file once, as a POST; stops when all are sent or the time is up.
-- After a path, a line may have headers of its own, each after a tab, such as "x-id: 17".
-- One thread. Every request that was sent is answered before the end is taken.
-- Arguments: paths file, body file, connections, seconds, "again" to begin anew at the end of the file.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
  int getpid(void);
  int kill(int pid, int signal);
]]
local MONOTONIC, INTERRUPT = 1, 2
local at = ffi.new("moment")

local function now()
  ffi.C.clock_gettime(MONOTONIC, at)
  return tonumber(at.seconds) + tonumber(at.nanoseconds) / 1e9
end

local only
function setup(thread) only = thread end

-- Read by `done`, so they are globals of the thread.
began, ended = 0, 0
local sent, requests, idle, is_probed = 0, {}, 0, false
local connections, seconds, is_endless

function init(args)
  connections, seconds, is_endless = tonumber(args[3]), tonumber(args[4]), args[5] == "again"
  local body = io.open(args[2]):read("*a")
  wrk.headers["content-type"] = "application/json"
  for line in io.lines(args[1]) do
    local path, headers = line:match("[^\t]*"), {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    for name, value in line:gmatch("\t([^:\t]+): ([^\t]*)") do headers[name] = value end
    requests[#requests + 1] = wrk.format("POST", path, headers, body)
  end
end

local function stop()
  idle = idle + 1
  if idle == connections then
    ended = now()
    ffi.C.kill(ffi.C.getpid(), INTERRUPT)
  end
  return ""  -- Writes nothing: this connection has had its last answer.
end

function request()
  if not is_probed then  -- wrk asks once before it starts, and does not send that.
    is_probed = true
    return requests[1]
  end
  local moment = now()
  if began == 0 then began = moment end
  if moment - began > seconds then return stop() end
  if sent == #requests then
    if not is_endless then return stop() end
    sent = 0
  end
  sent = sent + 1
  return requests[sent]
end

function done(summary, latency)
  local e = summary.errors
  local in_seconds = only:get("ended") - only:get("began")
  if in_seconds <= 0 then in_seconds = summary.duration / 1e6 end
  io.write(string.format(
    '\nRESULT {"answered": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, '
      .. '"refused": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, in_seconds, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.status, e.connect, e.read, e.write, e.timeout))
end
