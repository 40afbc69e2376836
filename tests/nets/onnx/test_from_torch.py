"""from_torch: a module of PyTorch in one call. PyTorch is not among the tests' packages: without it all are skipped."""

import numpy as np
import pytest

from sparsebounds import nets

torch = pytest.importorskip("torch", reason="PyTorch is not installed: from_torch is not tested")


def module(*, training: bool = False) -> "torch.nn.Module":
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
              torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 5))  # fmt: skip
    made = torch.nn.Sequential(*layers)
    made(torch.randn(20, 3, 8, 8))  # running statistics that are not 0 and 1
    return made.train(training)


def test_the_scores_and_weights_are_those_of_the_module() -> None:
    made, x = module(), torch.randn(7, 3, 8, 8)
    f = nets.onnx.from_torch(made, x[:2])
    np.testing.assert_allclose(f(x.numpy()), made(x).detach().numpy(), atol=1e-5)
    state = {name: value.numpy() for name, value in made.state_dict().items() if "num_batches" not in name}
    found = {**f.params, **f.statistics}
    assert found.keys() == state.keys() and all(np.array_equal(found[name], state[name]) for name in state)
    assert f.shape == (3, 8, 8) and f.channels_last().shape == (8, 8, 3)


def test_a_module_in_training_mode_is_refused() -> None:
    with pytest.raises(nets.onnx.OnnxError, match=r"training mode: call module\.eval\(\) first"):
        nets.onnx.from_torch(module(training=True), torch.zeros(1, 3, 8, 8))


def test_a_module_that_cannot_be_exported_is_one_sentence() -> None:
    with pytest.raises(nets.onnx.OnnxError, match=r"torch\.onnx\.export fails: "):
        nets.onnx.from_torch(module(), torch.zeros(1, 2, 8, 8))
