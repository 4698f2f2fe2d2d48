const n = payload.value;
const event = {
  eventId: `design-${n}`,
  userId: n === 7 ? "INVALID" : `user-${n % 5}`,
  timestamp: `2026-01-${String(n).padStart(2, "0")}T09:00:00.000Z`,
  actionType: n % 2 === 0 ? "image" : "video",
  assetType: "banner",
  assetId: `asset-${n}`,
  tokensUsed: 60 * n,
};
await push(event);
if (n === 13) await push(event);
