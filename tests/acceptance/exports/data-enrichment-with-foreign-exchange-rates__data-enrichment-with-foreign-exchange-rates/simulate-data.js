const fees = { SEK: 25, EUR: 10, GBP: 4, AUD: 7 };
for (const Currency in fees) await push({ Currency, ServiceFee: fees[Currency] });
