const watched = payload.sum_view_duration;
const completion = (100 * watched) / payload.sum_full_duration;
const user_churn_risk = completion < 76 ? "High" : "Low";
let user_category = "Medium";
if (watched > 200000) user_category = "Heavy";
else if (watched < 100000) user_category = "Light";
const nudge_msg = user_churn_risk === "High" ? "You have films to finish." : "Keep watching.";
const metrics_msg = `You watched ${watched} seconds of ${payload.count_title} films.`;
await push({ ...payload, user_churn_risk, user_category, nudge_msg, metrics_msg });
