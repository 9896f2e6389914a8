-- Health of ConnectionPool, CachePolicy and CircuitBreaker for Argo CD. Reads `obj`, knows nothing else.
-- Only Stalled=True is a failure: everything else that isn't ready is on its way, as for kstatus.
local hs = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
if obj.status.observedGeneration == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for the operator to see this generation"
  return hs
end
if found.Stalled ~= nil and found.Stalled.status == "True" then
  hs.status = "Degraded"
  hs.message = found.Stalled.reason .. ": " .. found.Stalled.message
  return hs
end
if found.Enforced ~= nil and found.Enforced.status == "False" and found.Enforced.reason == "Disabled" then
  hs.status = "Suspended"
  hs.message = found.Enforced.message
  return hs
end
if found.Ready ~= nil then
  hs.message = found.Ready.reason .. ": " .. found.Ready.message
  if found.Ready.status == "True" then
    hs.status = "Healthy"
  end
end
return hs
