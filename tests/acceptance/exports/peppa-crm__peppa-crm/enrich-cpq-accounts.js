const names = { 1: "Alpha", 2: "Beta", 3: "Gamma", 4: "Delta", 5: "Epsilon" };
await push({ ...payload, accountName: names[payload.accountId], serviceId: payload.sourceServiceId });
