const names = ["New lead", "Contacted", "Renewed", "Lost"];
await push({ ...payload, funnelEventName: names[payload.funnelEventId] });
