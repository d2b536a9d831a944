"""First-order MAML (Finn et al. 2017, section 5.2): second derivatives are left out.

The outer gradient is that of the query's loss at the adapted weights, applied to the initial ones.
"""

from adaptts.strategies.maml import FirstOrderParams, Maml


class Fomaml(Maml):
    Params = FirstOrderParams
    second_order = False
