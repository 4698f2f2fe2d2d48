const number = Number(payload.title.substring(5));
const ip_owner = number % 2 === 0 ? "Even Pictures" : "Odd Studios";
await push({ ...payload, ip_owner, revenue_sharing_model: number < 6 ? "per view" : "flat" });
