"""First-order MAML (Finn et al. 2017, section 5.2): second derivatives are left out.

The outer gradient is that of the query's loss at the adapted weights, applied to the initial ones.
"""

from adaptts.strategies.maml import Maml


class Fomaml(Maml):
    second_order = False
