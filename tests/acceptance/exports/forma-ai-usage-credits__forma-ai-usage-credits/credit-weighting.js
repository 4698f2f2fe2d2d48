const weights = { copywriter: 1, image: 3, video: 4, "brand agent": 5 };
await push({ ...payload, credits: weights[payload.operation] });
