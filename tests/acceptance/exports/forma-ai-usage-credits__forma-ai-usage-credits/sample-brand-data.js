const n = payload.value;
const event = {
  eventId: `brand-${n}`,
  user: n === 7 ? "INVALID" : `user-${n % 5}`,
  eventTimestamp: `2026-01-${String(n).padStart(2, "0")}T11:00:00.000Z`,
  userAction: "brand agent",
  assetType: "kit",
  assetId: `asset-${200 + n}`,
  aiTokensUsed: 100 * n,
};
await push(event);
if (n === 13) await push(event);
