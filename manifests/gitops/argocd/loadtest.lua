-- Health of LoadTest for Argo CD: Progressing while a run is in progress, so that a sync (or a PostSync hook) waits for its verdict.
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
if found.Reconciling ~= nil and found.Reconciling.status == "True" then
  hs.message = found.Reconciling.reason .. ": " .. found.Reconciling.message
  return hs
end
if found.Stalled ~= nil and found.Stalled.status == "True" then
  hs.status = "Degraded"
  hs.message = found.Stalled.reason .. ": " .. found.Stalled.message
  return hs
end
if found.Suspended ~= nil and found.Suspended.status == "True" then
  hs.status = "Suspended"
  hs.message = found.Suspended.message
  return hs
end
-- Somebody ended the run on purpose: neither a success nor a failure.
if found.Succeeded ~= nil and found.Succeeded.reason == "Aborted" then
  hs.status = "Suspended"
  hs.message = "Aborted: " .. found.Succeeded.message
  return hs
end
if found.Ready ~= nil then
  hs.message = found.Ready.reason .. ": " .. found.Ready.message
  if found.Ready.status == "True" then
    hs.status = "Healthy"
  end
end
return hs
