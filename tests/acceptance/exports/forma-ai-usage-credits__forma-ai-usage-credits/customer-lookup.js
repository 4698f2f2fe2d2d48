const customers = { "user-0": "Aster", "user-1": "Aster", "user-2": "Borealis", "user-3": "Borealis" };
const customerId = customers[payload.userId] ?? "CUSTOMER_NOT_FOUND";
await push({ ...payload, customerId, accountId: `account of ${customerId}` });
