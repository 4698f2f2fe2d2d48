const { data } = session;
const more = (counts, name) => ({ ...counts, [name]: (counts?.[name] ?? 0) + 1 });
data.eventCountByFunnelEvent = more(data.eventCountByFunnelEvent, payload.funnelEventName);
data.eventCountByServiceId = more(data.eventCountByServiceId, payload.serviceId);
data.eventCount = session.meta.count;
data.month = payload.timestamp.substring(0, 7);
