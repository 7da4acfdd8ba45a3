"""What can go wrong, as types; each message names what was given, what is allowed, what to do.

CellwrightError
├── InvalidArchitecture   parameters that are no point of the space
├── SpaceMismatch         a record (study, experiment, project) that holds another space
├── UnbuildableChild      an architecture that cannot be made for this input
├── ChildFailed           a child network that could not be trained or scored
├── CorruptedState        a state file that cannot be read
├── ExportFailed          a network that cannot be written in another format
└── InvalidData           images or labels that cannot be searched on
"""


class CellwrightError(Exception):
    """Every error that Cellwright raises on purpose, beside plain wrong arguments."""


class InvalidArchitecture(CellwrightError, ValueError):
    """Parameters that are no point of the search space."""


class SpaceMismatch(CellwrightError, ValueError):
    """A host's record holds trials of another search space."""


class UnbuildableChild(CellwrightError, ValueError):
    """The child network cannot be made for this input; raised before any training."""


class ChildFailed(CellwrightError, RuntimeError):
    """A child network raised, ran out of memory, or scored something that is not a number."""


class CorruptedState(CellwrightError, RuntimeError):
    """A state file is damaged; the message says which and what can be done."""


class ExportFailed(CellwrightError, RuntimeError):
    """A network cannot be written in another format, or the file gives other outputs."""


class InvalidData(CellwrightError, ValueError):
    """Images or labels that cannot be searched on."""
