"""The public code of the measures, run once on one small network: tests/bounds/measures/public.json and public.npz.

    git clone https://github.com/nitarshan/robust-generalization-measures robust
    git clone https://github.com/bneyshabur/generalization-bounds
    git clone https://github.com/CalculatedContent/WeightWatcher
    python benchmarks/public_measures.py robust generalization-bounds WeightWatcher

Needs PyTorch, pandas, scikit-learn, powerlaw, matplotlib, tqdm. A minute. It trains three convolutions with batch
norm on 300 digits, hands the trained and the initial network to each repository's own functions at the commits of
`COMMITS`, and writes their numbers and the weights. The tests compare `bounds.measures` with them; they do not run
this. The searches of the first repository are run on the network without batch norm too: where it is folded, their
noise still moves its scales and shifts, which stay in the module as ones and zeros.
"""

import copy
import importlib
import io
import json
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from sklearn.datasets import load_digits

COMMITS = {
    "nitarshan/robust-generalization-measures": "8e9012991ddef1603bab5b6ab31ace6fbfc67ac6",
    "bneyshabur/generalization-bounds": "db8e3e722901280404adc3102d3a36cf25226ad4",
    "CalculatedContent/WeightWatcher": "d6fd015dc5ff00e95d5b7612333dfab15966ad0d",
}
READ = ("data/generation", "measures.py", "weightwatcher")
"""What of each repository runs."""
OUT = Path(__file__).parent.parent / "tests" / "bounds" / "measures"
M = 300


class Net(torch.nn.Module):
    """3×3, 3×3 of stride 2, 1×1, batch norm after the first two, mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.dataset_type = SimpleNamespace(D=(1, 8, 8), K=10)
        self.conv1 = torch.nn.Conv2d(1, 12, 3, padding=1)
        self.bn1 = torch.nn.BatchNorm2d(12)
        self.conv2 = torch.nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.bn2 = torch.nn.BatchNorm2d(16)
        self.conv3 = torch.nn.Conv2d(16, 10, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.conv3(x).mean((2, 3))


def trained(x: torch.Tensor, y: torch.Tensor) -> tuple[Net, Net]:
    """The network before and after training, in evaluation mode and float64."""
    torch.manual_seed(0)
    net = Net()
    before = copy.deepcopy(net)
    optimiser = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for epoch in range(30):
        for part in torch.from_numpy(np.random.default_rng(epoch).permutation(M)).split(50):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x[part]), y[part]).backward()
            optimiser.step()
    return before.eval().double(), net.eval().double()


def checked_out(clone: Path, commit: str, part: str, folder: Path) -> Path:
    """What runs of a clone at a commit."""
    command = ["git", "-C", str(clone), "archive", commit, part]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def weights_of(net: Net, prefix: str) -> dict[str, np.ndarray]:
    return {f"{prefix}.{k}": v.numpy() for k, v in net.state_dict().items() if "num_batches" not in k}


class Loader:
    """What the public code asks of a data loader."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.dataset = list(range(len(y)))
        self.batch = x, y

    def __iter__(self):
        return iter([self.batch])


def robust(folder: Path, before: Net, net: Net, loader: Loader) -> dict[str, float]:
    sys.path.insert(0, str(folder / "data"))
    code = importlib.import_module("generation.measures")
    x, y = loader.batch
    accuracy = float((net(x).argmax(1) == y).double().mean())
    found = code.get_all_measures(net, before, loader, accuracy, 0)
    return {measure.name.lower().replace("_fft", "_FFT"): float(value) for measure, value in found.items()}


def generalization_bounds(folder: Path, before: Net, net: Net, loader: Loader, margin: float) -> dict[str, float]:
    sys.path.insert(0, str(folder))
    code = importlib.import_module("measures")
    found = code.calculate(net, copy.deepcopy(before), "cpu", loader, margin, 1, 10, 8)
    return {name: float(value) for part in found for name, value in part.items()}


def weightwatcher(folder: Path, net: Net) -> dict[str, float]:
    sys.path.insert(0, str(folder))
    code = importlib.import_module("weightwatcher")
    details = code.WeightWatcher(model=net).analyze(plot=False)
    kept = ["norm", "log_norm", "spectral_norm", "log_spectral_norm", "stable_rank", "alpha", "alpha_weighted",
            "log_alpha_norm", "matrix_rank", "entropy"]  # fmt: skip
    return {name: float(details[name].mean()) for name in kept if name in details} | {"layers": len(details)}


def without_batch_norm(folded: Net) -> Net:
    """The same function without the modules that compute nothing any more."""
    folded.bn1 = folded.bn2 = torch.nn.Identity()
    return folded


def main(robust_clone: str, bounds_clone: str, watcher_clone: str) -> None:
    data = load_digits()
    x, y = (data.images[:M, None] / 16).astype(np.float32), data.target[:M]
    before, net = trained(torch.from_numpy(x), torch.from_numpy(y))
    loader = Loader(torch.from_numpy(x).double(), torch.from_numpy(y))
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)  # of their inputs of ones
    clones = list(map(Path, (robust_clone, bounds_clone, watcher_clone)))
    with tempfile.TemporaryDirectory() as place, redirect_stdout(io.StringIO()):
        parts = zip(clones, COMMITS.values(), READ, strict=True)
        folders = [checked_out(*part, Path(place) / str(i)) for i, part in enumerate(parts)]
        first = robust(folders[0], before, net, loader)
        margin = 1 / (first["inverse_margin"] * M**0.5)
        folded = sys.modules["generation.measures"]._reparam(net)
        bare = [without_batch_norm(sys.modules["generation.measures"]._reparam(one)) for one in (before, net)]
        searched = robust(folders[0], *bare, loader)
        first |= {f"{name} without batch norm": searched[name] for name in searched if name.startswith("pacbayes")}
        second = generalization_bounds(folders[1], before, net, loader, margin)
        third = weightwatcher(folders[2], folded.float())
    numbers = dict(zip(COMMITS, (first, second, third), strict=True))
    report = {name: {"commit": commit, "values": numbers[name]} for name, commit in COMMITS.items()}
    (OUT / "public.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(OUT / "public.npz", **weights_of(before, "before"), **weights_of(net, "after"))


if __name__ == "__main__":
    main(*sys.argv[1:])
