await push({ ...payload, funnelEventName: `Quote ${payload.quoteState}` });
