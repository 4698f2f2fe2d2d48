for (const type of payload.httpResponse.meterTypes) await push({ meterTypeId: type.id });
