"""Figure 1 of Galanti et al. (NeurIPS 2023) as read off the published picture, in log₂, ±0.1 each."""

STARTS = {
    200: {"paper": 8.7, "golowich": 24.8, "graf": 22.6, "ledent": 24.2, "long_sedghi": 4.7},
    600: {"paper": 10.9, "golowich": 27.0, "graf": 24.5, "ledent": 25.0, "long_sedghi": 6.0},
    1000: {"paper": 12.1, "golowich": 28.2, "graf": 25.8, "ledent": 25.2, "long_sedghi": 6.5},
}
"""Width H of CONV-3-H → curve → log₂ before training."""

ENDS = {
    200: {"paper": 0.45, "golowich": 15.8, "graf": 17.6, "ledent": 22.06, "long_sedghi": 4.1},
    600: {"paper": 0.52, "golowich": 15.9, "graf": 18.5, "ledent": 22.1, "long_sedghi": 5.1},
    1000: {"paper": 0.56, "golowich": 16.0, "graf": 18.85, "ledent": 22.14, "long_sedghi": 5.7},
}
"""The same after training, 500 epochs on MNIST."""
