await push({ ...payload, published: payload.assetType !== "banner" });
