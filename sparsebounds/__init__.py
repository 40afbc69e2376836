"""What theory guarantees about a trained network, and whether that is worth anything: `bounds`, `nets`, `experiments`.

from sparsebounds import bounds, nets
"""
