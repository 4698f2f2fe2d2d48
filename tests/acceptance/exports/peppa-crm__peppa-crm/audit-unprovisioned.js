audit.count("unprovisionedAccounts");
audit.sum("unprovisionedEvents", payload.sumFunnelEvents);
await push(payload);
