"""What figure 1 of the paper shows before training, and what it needs to know of MNIST."""

from sparsebounds.experiments.reproduce.conv.published_inputs import ImageNumbers

NAMES = ("paper", "golowich", "ledent", "long_sedghi", "graf")
# All 60000 training images; `test_numbers_of_full_mnist` measures them again where the files are at hand.
MNIST = ImageNumbers(pixel_energy=29038.021484375, total_norm=6858.745056788968, largest_norm=48.90510031111812)
STARTS = {
    200: (8.75, 24.75, 24.29, 4.71, 22.58),
    600: (11.10, 27.10, 24.99, 5.94, 24.87),
    1000: (12.24, 28.25, 25.38, 6.59, 26.02),
}
