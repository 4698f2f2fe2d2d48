// Every 20th event is the one before it once more; every 25th has lost its account.
const n = payload.value;
const real = n % 20 === 0 ? n - 1 : n;
await push({
  eventId: real,
  accountId: n % 25 === 0 ? "UNKNOWN" : 1 + (real % 7),
  serviceId: ["Billing", "LeadFinder", "Mailer"][real % 3],
  funnelEventId: real % 4,
  timestamp: `2026-01-${String(1 + (real % 28)).padStart(2, "0")}T08:00:00.000Z`,
});
