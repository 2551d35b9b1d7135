"""Several tasks, trained together: one network, what it shares and how it is learnt by options.

`training.fit(Config(...), Tasks(...))` gives a `Together`.
"""

from grapevine.models.together.config import Config
from grapevine.models.together.model import Together

__all__ = ["Config", "Together"]
