const users = {
  L1_Llama3_Requests: ["FinTech Lords", "Metaverse Mages"],
  L1_Gemini_Pro_Requests: ["Play-to-Earn", "Android Sheep"],
  L1_Claude3_Sonnet_Requests: ["Cloud AI", "Machine Emotions"],
  L2_GPT4o_Requests: ["Android Sheep", "FinTech Lords"],
  L2_Gemini_Flash_Requests: ["Play-to-Earn", "Metaverse Mages"],
  L2_Claude3_Opus_Requests: ["Cloud AI", "Machine Emotions"],
};
for (const meterTypeName in users) await push({ meterTypeName, users: users[meterTypeName] });
