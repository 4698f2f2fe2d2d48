const tenThousandths = { copywriter: 1, image: 2, video: 3, "brand agent": 5 };
const aiUnitCost = (payload.tokensUsed * tenThousandths[payload.operation]) / 10000;
await push({ ...payload, aiUnitCost, currency: "EUR" });
