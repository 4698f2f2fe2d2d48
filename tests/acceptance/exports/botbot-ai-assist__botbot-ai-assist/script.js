// A hundred chatbot sessions of six companies; about every tenth is told twice.
const domains = {
  "Cloud AI": "cloudai.foo",
  "Machine Emotions": "machineemotions.foo",
  "Play-to-Earn": "playtoearn.foo",
  "Android Sheep": "androidsheep.foo",
  "FinTech Lords": "fintechlords.foo",
  "Metaverse Mages": "metaversemages.foo",
};
const integer = (from, to) => from + Math.floor(Math.random() * (to - from + 1));
const pick = (list) => list[integer(0, list.length - 1)];
const capitals = () => String.fromCharCode(...Array.from({ length: 5 }, () => integer(65, 90)));

function outcome(u) {
  if (u < 0.5) return "Resolved";
  if (u < 0.8) return "Open";
  return u < 0.9 ? "Failed" : "HandedOverToOperator";
}

function session() {
  const userId = pick(Object.keys(domains));
  const people = userId === "Cloud AI" ? 5 : 4;
  return {
    userId,
    customerEmail: `person${integer(1, people)}@${domains[userId]}`,
    sessionId: `${capitals()}${integer(1000, 9999)}`,
    caseNumber: integer(1000000, 9999999),
    status: outcome(Math.random()),
    apiCalls: 5 + Math.floor(30 * Math.random() + 10 * Math.random() + Math.random()),
    apiCallsType: Math.random() < 0.7 ? "L1" : "L2",
    region: pick(["EMEA", "APAC", "AMER", "unknown"]),
    sessionEndTime: new Date(Date.now() - integer(0, 299) * 1000).toISOString(),
  };
}

let told;
for (let slot = 0; slot < 100; slot += 1) {
  const again = told !== undefined && Math.random() < 0.1;
  const sent = again ? told : session();
  await push(sent);
  told = again ? undefined : sent;
}
