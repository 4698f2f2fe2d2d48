"""Why a record is set aside: the reason codes of Data Correction, in order of precedence.

A bad record never stops a stream by itself and is never dropped: it is *suspended* with a reason.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Reason codes. Where a record is wrong in several ways, the first one here is given."""

    NOT_READABLE = "not_readable"
    USER_ID_MISSING = "user_id_missing"
    VALUE_MISSING = "value_missing"
    VALUE_NOT_NUMERIC = "value_not_numeric"
    VALUE_TOO_PRECISE = "value_too_precise"
    VALUE_OUT_OF_RANGE = "value_out_of_range"
    TIMESTAMP_INVALID = "timestamp_invalid"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    OUTSIDE_ACTIVE_PERIOD = "outside_active_period"
    NO_METER_FOUND = "no_meter_found"
    SCHEMA_INVALID = "schema_invalid"
    SCRIPT_ERROR = "script_error"
    REFERENCE_MISSING = "reference_missing"
    DAY_FORGOTTEN = "day_forgotten"


#: What each reason means and what to do about it, for messages and docs.
REMEDIES: dict[Reason, str] = {
    Reason.NOT_READABLE: "the input is not a readable record; correct its fields or delete it",
    Reason.USER_ID_MISSING: "the record has no userId; set it, or map a field to userId",
    Reason.VALUE_MISSING: "the record has no value; set it, or map a field to value",
    Reason.VALUE_NOT_NUMERIC: "value is not a number; set it to one",
    Reason.VALUE_TOO_PRECISE: "value has more than 18 digits after the point; round it yourself",
    Reason.VALUE_OUT_OF_RANGE: (
        "value, or the meter with it, needs more than 20 digits before the point; correct value, "
        "or use a larger unit"
    ),
    Reason.TIMESTAMP_INVALID: (
        "timestamp is neither ISO 8601 nor Unix milliseconds; write it as one of them"
    ),
    Reason.TIMESTAMP_IN_FUTURE: (
        "timestamp lies after the clock of the run; correct it, or queue the record for a later run"
    ),
    Reason.OUTSIDE_ACTIVE_PERIOD: (
        "the user's meters are not active at that time; correct timestamp, or activeTo of the meter"
    ),
    Reason.NO_METER_FOUND: (
        "no guiding rule found a meter; create one, or mend the rules, then requeue the record"
    ),
    Reason.SCHEMA_INVALID: (
        "the record breaks the schema of the Validate node; correct its fields, or mend the schema"
    ),
    Reason.SCRIPT_ERROR: (
        "a script or an expression failed for this record; correct its fields, or mend the node"
    ),
    Reason.REFERENCE_MISSING: (
        "the look-up table has no row with the record's keys; correct them, or upload a version of "
        "the table that has it"
    ),
    Reason.DAY_FORGOTTEN: (
        "the keys of the record's day are forgotten, so nobody knows whether it came before; "
        "correct its day, or delete it"
    ),
}
