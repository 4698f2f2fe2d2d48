// Users of lower numbers watch more, and more to the end; there are eleven films.
const share = Math.random();
const user_id = share < 0.4 ? 1 : share < 0.7 ? 2 : share < 0.9 ? 3 : 4;
const full_duration = 2400 + 600 * Math.floor(15 * Math.random());
const ends = Math.random() < 1 - user_id / 6;
const seen = ends ? 0.91 + 0.09 * Math.random() : Math.random();
const day = String(1 + Math.floor(28 * Math.random())).padStart(2, "0");
await push({
  user_id,
  title: `Film ${1 + Math.floor(11 * Math.random())}`,
  timestamp: `2026-Jan-${day}`,
  view_duration: Math.floor(full_duration * seen),
  full_duration,
  os_type: Math.random() < 0.5 ? "Phone" : "TV",
});
