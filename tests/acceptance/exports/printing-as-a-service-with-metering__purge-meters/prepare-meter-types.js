for (const meterType of payload.httpResponse.meterTypes) await push({ meterType });
