"""How made-up cases are made: the same ones in each `make test`, others in each `make nightly`."""

import os

from hypothesis import HealthCheck, settings

#: A busy machine is no fault of the product.
_CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("repeatable", derandomize=True, **_CALM)
settings.register_profile("exploring", print_blob=True, **_CALM)
settings.load_profile(os.environ.get("METERHOUSE_HYPOTHESIS", "repeatable"))
