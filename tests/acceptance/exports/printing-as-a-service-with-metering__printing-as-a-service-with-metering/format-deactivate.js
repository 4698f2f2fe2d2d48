const names = payload.thresholds.map((threshold) => threshold.name);
await push({ message: `Printer ${payload.userId}: ${payload.value} sheets; stop it (${names[1]})` });
