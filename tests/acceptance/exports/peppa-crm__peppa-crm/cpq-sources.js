// Every tenth quote is told twice; every 40th user is not known.
const n = payload.value;
const quote = {
  eventKey: 5000 + n,
  userId: n % 40 === 0 ? "UNKNOWN" : 70 + (n % 5),
  quoteState: n % 3 === 0 ? "signed" : "sent",
  sourceServiceId: "Quotes",
  timestamp: `2026-01-${String(1 + (n % 28)).padStart(2, "0")}T09:00:00.000Z`,
};
await push(quote);
if (n % 10 === 0) await push(quote);
