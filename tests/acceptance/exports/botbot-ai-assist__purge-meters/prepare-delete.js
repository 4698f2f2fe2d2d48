for (const { id } of payload.httpResponse.meters) await push({ meter: { id } });
