// Day by day one download of two games more than the day before.
const day = payload.value;
const dateTime = new Date(Date.UTC(2026, 0, day, 21)).toISOString();
await push({ userId: "punk-1977", dateTime, downloadedGame: 2 * day });
