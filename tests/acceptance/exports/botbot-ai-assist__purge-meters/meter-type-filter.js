const levels = {
  L1: ["Llama3", "Gemini_Pro", "Claude3_Sonnet"],
  L2: ["GPT4o", "Gemini_Flash", "Claude3_Opus"],
};
for (const level in levels) {
  for (const model of levels[level]) await push({ meterTypeName: `${level}_${model}_Requests` });
}
