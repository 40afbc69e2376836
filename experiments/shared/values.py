"""The values that options of the command line can have, for its help; tests hold them to the registries."""

BOUNDS = (
    "peeling", "galanti_published", "galanti", "galanti_best", "neyshabur_frobenius", "neyshabur_l1",
    "neyshabur_two_layer", "golowich", "golowich_sharp", "golowich_l1", "path_norm_layered", "path_norm", "gonon",
    "bartlett", "bartlett_dudley", "graf_norms", "graf_params", "graf_dudley", "ledent", "long_sedghi", "occam",
    "occam_quantised", "pac_bayes", "parameter_count", "held_out",
)  # fmt: skip
DATASETS = ("digits", "mnist", "fashion-mnist", "svhn", "cifar10")
ARCHITECTURES = ("conv", "mlp", "tree", "unshared", "banded", "random")
TRAININGS = ("report", "quick", "paper-readme", "paper-settings")
EXPERIMENTS = (
    "figure1", "depth", "width", "lottery", "compositional", "sparsity", "dynamic", "topology", "certificates",
    "distance", "pareto", "architectures",
)  # fmt: skip
TASKS = (
    "digits-linear", "mnist01-linear", "mnist01", "mnist10-linear", "mnist10-filters", "mnist10-conv", "mnist10-cnn",
    "mnist10-gelu", "mnist10-resnet", "mnist10-vit",
)  # fmt: skip
FORMS = ("boxes", "centred", "signed", "rehearsal", "uniform", "distance", "data-free")


def one_of(values: tuple[str, ...]) -> str:
    """For a help text.

    Example:
        >>> one_of(("a", "b", "c"))
        'a, b or c'
    """
    return f"{', '.join(values[:-1])} or {values[-1]}"
