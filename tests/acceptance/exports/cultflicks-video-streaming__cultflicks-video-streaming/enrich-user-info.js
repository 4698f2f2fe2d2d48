const [name, country, birth_year, plan] = {
  1: ["Ada", "SE", 1990, "Premium"],
  2: ["Bo", "DK", 1984, "Standard"],
  3: ["Cleo", "FR", 2001, "Standard"],
  4: ["Dan", "IE", 1975, "Free"],
}[payload.user_id];
await push({ ...payload, name, email: `${name.toLowerCase()}@mail.test`, country, birth_year, plan });
