const names = payload.thresholds.map((threshold) => threshold.name);
await push({ message: `Printer ${payload.userId}: ${payload.value} sheets; see to it (${names[0]})` });
