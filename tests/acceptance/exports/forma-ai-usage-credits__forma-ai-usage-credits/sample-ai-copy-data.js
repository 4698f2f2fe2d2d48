const n = payload.value;
const event = {
  eventId: `copy-${n}`,
  userAccountId: n === 7 ? "INVALID" : `user-${n % 5}`,
  tstamp: `2026-01-${String(n).padStart(2, "0")}T10:00:00.000Z`,
  userOperation: "copywriter",
  assetType: "text",
  assetId: `asset-${100 + n}`,
  aiTokensUsed: 40 * n,
};
await push(event);
if (n === 13) await push(event);
