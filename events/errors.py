"""The one error of this room."""


class BadMessage(ValueError):
    """A message that can never be understood, however often it is sent.

    Attributes:
        reason: a short code for counting: `topic`, `envelope`, `content_type`, `json`, `senml`, `shape`, `size`.
        detail: what was wrong, for a person; free of NUL, at most 500 characters.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail.replace("\x00", "\\0")[:500]
        super().__init__(f"{reason}: {self.detail}")
