const services = {
  image: "Magic Design",
  video: "Magic Design",
  copywriter: "AI copy",
  "brand agent": "Brand pack",
};
const { actionType, ...rest } = payload;
const serviceName = services[actionType];
await push({ ...rest, eventType: "ai-usage", operation: actionType, serviceName });
