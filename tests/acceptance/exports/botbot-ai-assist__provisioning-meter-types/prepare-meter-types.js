const monthly = { minute: "0", hour: "0", day: "1", month: "*", weekday: "*" };
const names = [
  "L1_Llama3", "L1_Gemini_Pro", "L1_Claude3_Sonnet",
  "L2_GPT4o", "L2_Gemini_Flash", "L2_Claude3_Opus",
];
for (const name of names) {
  await push({
    meterType: {
      name: `${name}_Requests`,
      category: `${name.substring(0, 2)}_API_Requests`,
      aggregation: { type: "sum" },
      unit: "API request",
      timezone: "Etc/UTC",
      resetSchedule: monthly,
    },
  });
}
