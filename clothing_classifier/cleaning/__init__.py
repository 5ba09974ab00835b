"""Wrong labels: found, shown to a person, and mended"""


class CleanError(ValueError):
    "Cleaning that is impossible as asked; its text says what to do"
