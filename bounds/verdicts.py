"""What the number of a row is worth, in two words."""

LARGEST = 0.9999
"""What lies above is shown as 1, and says nothing."""


def verdict_of(value: float, guarantee: str) -> str:
    """What a number is worth.

    Args:
        value: of a bound on an error, so that 1 or more says nothing.
        guarantee: of the bound.

    Returns:
        "informative" for a certificate below 1, after rounding up to four digits, "vacuous" for one that is not; "on
        average" for an expectation below 1; "no guarantee" for what was published and is refuted or unverified, or
        unaudited; "not covered" for NaN.

    Example:
        >>> verdict_of(0.05, "certificate"), verdict_of(1.2, "certificate"), verdict_of(0.05, "published")
        ('informative', 'vacuous', 'no guarantee')
    """
    if value != value:
        return "not covered"
    if guarantee not in ("certificate", "expectation"):
        return "no guarantee"
    if value > LARGEST:
        return "vacuous"
    return "informative" if guarantee == "certificate" else "on average"
