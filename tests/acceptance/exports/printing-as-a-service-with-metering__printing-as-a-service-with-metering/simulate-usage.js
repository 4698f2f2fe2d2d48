const n = payload.value;
const printerId = 101 + ((n - 1) % 5);
const seconds = Math.floor(Math.random() * 60);
const timestamp = new Date(Date.now() - 1000 * seconds).toISOString();
const event = {
  eventId: `${printerId}_${timestamp}`,
  printerId,
  timestamp,
  sheets: Math.floor(3.55 * n),
  inkLevel: printerId % 4 === 0 ? 15 : printerId % 3 === 0 ? 50 : 45,
  status: printerId % 3 === 0 ? "Needs service" : "Normal",
  paper: n % 2 === 0 ? "A3" : "A4",
  sided: n % 2 === 0 ? "Two" : "One",
  color: n % 3 === 0 ? "Yes" : "No",
};
if (n === 3) Object.assign(event, { printerId: "103?", timestamp: "UNKNOWN", paper: "XYZ123" });
await push(event);
if (n === 5 || n === 10) await push(event);
