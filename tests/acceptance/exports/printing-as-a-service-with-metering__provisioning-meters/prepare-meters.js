const printers = [
  ["101", "Ink", "MPS-Plus", "Research"],
  ["102", "Laser", "MPS-Super", "Research"],
  ["103", "Ink", "MPS-Plus", "Special Ops"],
  ["104", "Laser", "MPS-Ultra", "Special Ops"],
  ["105", "Ink", "MPS-Super", "Special Ops"],
];
const meterTypeId = payload.httpResponse.meterTypes[0].id;
for (const [userId, type, model, department] of printers) {
  const customFields = { brand: "Acme", type, model, customer: "Guz Inc", department };
  await push({ meter: { userId, meterTypeId, meterKey: "METER_KEY", customFields } });
}
