await push({ ...payload, accountId: payload.userId - 69 });
