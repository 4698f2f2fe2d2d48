await push({ meterKey: "METER_KEY", meterTypeId: payload.meterType.id });
