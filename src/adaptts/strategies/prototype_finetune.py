"""Fine-tuning from a prototype: the speaker encoder says where the gradient steps begin.

Arik et al. 2018, Neural Voice Cloning with a Few Samples, compare encoding a speaker with adapting
to one; here the one begins where the other ends.
"""

from adaptts.strategies.prototype import Prototype


class PrototypeFinetune(Prototype):
    """Trained as prototypes are; a new voice then takes the steps that every arm takes."""

    takes_steps = True
