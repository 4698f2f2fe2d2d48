const department = payload.printerId < 103 ? "Research" : "Special Ops";
await push({ ...payload, customer: "Guz Inc", department });
