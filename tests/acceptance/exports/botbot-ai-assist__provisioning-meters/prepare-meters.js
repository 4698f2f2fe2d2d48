const [type] = payload.httpResponse.meterTypes;
for (const userId of payload.users) {
  await push({ meter: { userId, meterTypeId: type.id, meterKey: "METER_KEY" } });
}
