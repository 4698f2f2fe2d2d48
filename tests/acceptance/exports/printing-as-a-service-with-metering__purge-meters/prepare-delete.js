for (const meter of payload.httpResponse.meters) await push({ meter: { id: meter.id } });
