"""Whether each operating business has the country that rows of its files have.

Files are added only where their rows have the country of the OB in their name: by the snapshot of
countries that the catalogue has, else by ISO 3166. Rows are a business's by that country; under any
other one nobody would be billed for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.aura.operation import OperatingBusiness
from meterhouse.core.country import alpha_3
from meterhouse.core.instant import Instant
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown
from meterhouse.streams.ports import InputError

_DATASET = "D_Gbl_Country"
_TWO, _THREE = "COUNTRY_2_ALPHA_CD", "COUNTRY_3_ALPHA_CD"


def check_countries(
    businesses: Sequence[OperatingBusiness], catalogue: OperationCatalogue, *, at: Instant
) -> None:
    """Refuse businesses whose country is another one than that of their rows. ``DefinitionError``.

    Places are those of the document of the operation.
    """
    known = _known(catalogue, at=at)
    problems = []
    for place, business in enumerate(businesses):
        country = known.get(business.code) or alpha_3(business.code)
        if country is None:
            hint = "write the two letters of ISO 3166-1 that names of its files begin with, as ES"
            message = f"is {shown(business.code)}, which is no country"
            problems.append(Problem(f"businesses[{place}].code", message, hint))
        elif country != business.country:
            hint = f"rows of {business.code} have the country {country}: write {country}"
            message = f"is {shown(business.country)}"
            problems.append(Problem(f"businesses[{place}].country", message, hint))
    if problems:
        raise DefinitionError(problems, what="The operation")


def _known(catalogue: OperationCatalogue, *, at: Instant) -> Mapping[str, str]:
    """Return countries by the two letters of their OBs, as far as the catalogue says them."""
    try:
        snapshot = catalogue.snapshot(_DATASET, ob=None, until=at)
        rows = [] if snapshot is None else catalogue.snapshot_rows(snapshot)
    except InputError:
        return {}  # Whoever asks may not read it: ISO 3166 counts.
    return {str(row[_TWO]): str(row[_THREE]) for row in rows if row.get(_THREE)}
