"""The errors of this room. The first line of each says what is wrong, where, and what to do."""


class VisionError(ValueError):
    """Something that was given to this room can never work."""


class ModelError(VisionError):
    """A model that cannot be had, opened or understood."""


class SourceError(VisionError):
    """A picture source that does not open, or broke. A live source is tried again."""
