const charged = (user, kWhCharged, chargingPlace) => ({
  date: "2026-01-12",
  userTechnicalId: `7f3d2c10-55aa-4e1b-9c00-00000000000${user}`,
  kWhCharged,
  chargingPlace,
});
const good = [charged(1, 31.5, "Harbour"), charged(2, 7.25, "Station"), charged(3, 48, "Airport")];
const tooLong = charged(4, 12.125, "Harbour");
tooLong.userTechnicalId += "-x";
const { kWhCharged, ...missing } = charged(5, 0, "Station");
for (const record of [...good, tooLong, missing, good[0], good[2], good[0]]) await push(record);
