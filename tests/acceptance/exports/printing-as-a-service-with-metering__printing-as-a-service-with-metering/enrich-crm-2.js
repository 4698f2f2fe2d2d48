const department = payload.printerId < 103 ? "Research" : "Special Ops";
const type = payload.printerId % 2 === 0 ? "Laser" : "Ink";
await push({ ...payload, customer: "Guz Inc", department, type });
