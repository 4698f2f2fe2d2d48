const action = (name) => ({ name, customFields: { action: name } });
await push({
  meterType: {
    name: "Pay-Per-Print",
    category: "Printing",
    aggregation: { type: "sum" },
    unit: "sheets",
    timezone: "Etc/UTC",
    resetSchedule: { minute: "0", hour: "0", day: "1", month: "*", weekday: "*" },
    capacity: 10000,
    thresholds: [
      { ...action("EMAIL_MAINTENANCE"), capacityPercentage: 90 },
      { ...action("DEACTIVATE_PRINTER"), absoluteValue: 10000 },
    ],
  },
});
