"""Somebody's own network and data: `module.py:function` and an .npz file."""

import contextlib
import importlib.util
import inspect
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax import linen, nnx

from sparsebounds import nets
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.targets import file_of, is_onnx

KEYS = "x and y, or x_train, y_train, x_test and y_test"
HINT = "--debug shows where"
"""After the message of an error in the user's own code."""


@dataclass(frozen=True)
class Arrays:
    """What an .npz file holds: a training sample and, where there is one, a test sample."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None


def load_arrays(path: Path) -> Arrays:
    """Read the sample a bound is to speak of.

    Args:
        path: an .npz file with the keys x, y or x_train, y_train, x_test, y_test; x of shape (m, …), y of
            shape (m,), integers 0..C−1.

    Raises:
        Problem: no such file, not an .npz file, truncated, pickled objects, or other keys.
    """
    if path.is_dir():
        raise Problem(f"{path} is a folder: give the file in it that numpy.savez(path, x=…, y=…) wrote")
    if not path.is_file():
        raise Problem(f"no data file {path}: save one with numpy.savez(path, x=…, y=…)")
    with path.open("rb") as stream:
        if stream.read(1) not in (b"P", b"\x93", b""):  # what .npz, .npy and a file cut off begin with
            raise Problem(f"{path} is no .npz file: save one with numpy.savez(path, x=…, y=…)")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise Problem(f"{path} holds one array: save an .npz file with the keys {KEYS}")
        with archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise Problem(f"{path} cannot be read as .npz ({one_line(error)}): save it again with numpy.savez") from error
    if {"x", "y"} & arrays.keys() and {"x_train", "y_train", "x_test", "y_test"} & arrays.keys():
        raise Problem(f"{path} has the keys {', '.join(sorted(arrays))}, which leave open what is meant: keep {KEYS}")
    if {"x", "y"} <= arrays.keys():
        return Arrays(arrays["x"], arrays["y"])
    if {"x_train", "y_train"} <= arrays.keys() and ("x_test" in arrays) == ("y_test" in arrays):
        return Arrays(arrays["x_train"], arrays["y_train"], arrays.get("x_test"), arrays.get("y_test"))
    raise Problem(f"{path} has the keys {', '.join(sorted(arrays)) or 'none'}: it needs {KEYS}")


@contextlib.contextmanager
def beside(target: str | None) -> Iterator[None]:
    """The folder of the user's file first on the path, as `python file.py` has it, for as long as his code may run.

    Args:
        target: `path/to/module.py:name`; None, or an ONNX file: no code of his runs.
    """
    if target is None or is_onnx(target):
        yield
        return
    folder = str(file_of(target).resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def load_function(
    target: str, checkpoint: Path | None = None, *, step: int | None = None, example: Any = None
) -> tuple[Callable[[Any], Any], str]:
    """The network that `module.py:function` names, and what a reader should know of its weights.

    The file is loaded by its place on disk and never looked up on the import path, so that a folder of the
    user's called `experiments`, `nets` or `bounds` changes nothing.

    Args:
        target: `path/to/module.py:name`. The name is a batched function x → scores (B, C) or a Flax module;
            or a function without arguments, or of `rngs`, that builds one.
        checkpoint: .safetensors, .npz or an Orbax folder with the weights of the module, or of the pair (f, params),
            that the function builds; a function of one argument is given the path and builds the network itself.
        step: which step of an Orbax folder.
        example: (B, …) an input, for Linen modules.

    Raises:
        Problem: the form is wrong, there is no such file or name, the module fails while it is loaded, or the
            checkpoint does not fit.
    """
    file, name, module = _named(target)
    value = getattr(module, name, None)
    if not callable(value):
        raise Problem(f"{file} has no function {name!r}: name a function x → scores, or one that builds it")
    if checkpoint is not None:
        if not checkpoint.exists():
            raise Problem(f"no checkpoint {checkpoint}: give the path of the weights of {name}")
        if not isinstance(value, nnx.Module | linen.Module) and _needed(value) not in ([], ["rngs"]):
            return _build(value, target, checkpoint), ""
        return _restored(value, target, checkpoint, step, example)
    if _is_builder(value):
        return _build(value, target), ""
    if inspect.isclass(value):
        raise Problem(f"{target} is a class that needs arguments: name a function without any that builds it")
    return value, ""


def _restored(
    value: Any, target: str, checkpoint: Path, step: int | None, example: Any
) -> tuple[Callable[[Any], Any], str]:
    """The network that a function builds, or that stands in the file, with the weights of a checkpoint."""
    made = value
    if not isinstance(value, nnx.Module | linen.Module):
        made = _made(value, target, **{name: nnx.Rngs(0) for name in _needed(value) or ()})
    try:
        found = nets.Checkpoint.read(checkpoint, step)
        network = found.into(made, example)
    except ValueError as error:
        raise Problem(one_line(error)) from error
    if isinstance(network, tuple):
        f, params = network
        return lambda x: f(params, x), found.note
    return _callable(network, target), found.note


def load_builder(target: str, beside: str) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """The function that `module.py:function` names, not yet called, and another one of the same file.

    Args:
        target: `path/to/module.py:name`, a function that builds a network.
        beside: name of the other function; None in its place where the file has none.

    Raises:
        Problem: the form is wrong, there is no such file or name, or the module fails while it is loaded.
    """
    file, name, module = _named(target)
    value, other = getattr(module, name, None), getattr(module, beside, None)
    if not callable(value):
        raise Problem(f"{file} has no function {name!r}: name the one that builds your network")
    return value, other if callable(other) else None


def _named(target: str) -> tuple[str, str, Any]:
    """The file, the name in it, and the module that the file is."""
    file, colon, name = target.rpartition(":")
    if not colon or not name or not file.endswith(".py"):
        raise Problem(f"cannot read {target!r} as a model: {_wanted(file, colon, name)}")
    return file, name, _load_module(Path(file))


def _wanted(file: str, colon: str, name: str) -> str:
    """What to write in place of a target that is none, near to what came."""
    if name.endswith(".py") and not colon:
        return f"say which function of it, {name}:FUNCTION; one x → scores, or one that builds your network"
    if colon and Path(f"{file}.py").is_file():
        return f"write the file's name in full, {file}.py:{name}"
    return "write FILE.py:FUNCTION, or the path of an .onnx file"


def _load_module(file: Path) -> Any:
    if not file.is_file():
        raise Problem(f"no file {file}: give the path of the Python file that holds your model")
    name = f"_sparsebounds_user_{abs(hash(file.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise Problem(
            f"{file} imports {error.name!r}, which is not found: install it, or put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        raise Problem(f"{file} fails while it is loaded: {type(error).__name__}: {one_line(error)} ({HINT})") from error
    return module


def _is_builder(value: Callable[..., Any]) -> bool:
    try:
        return not inspect.signature(value).parameters
    except (TypeError, ValueError):
        return False


def _needed(value: Callable[..., Any]) -> list[str] | None:
    """The parameters that have to be given; None where nobody can say."""
    try:  # of a class of Flax only its __init__ says them
        parameters = list(inspect.signature(value.__init__ if inspect.isclass(value) else value).parameters.values())
    except (TypeError, ValueError):
        return None
    parameters = parameters[1:] if inspect.isclass(value) else parameters
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in open_ended]


def _build(value: Callable[..., Any], target: str, *arguments: Any) -> Callable[[Any], Any]:
    return _callable(_made(value, target, *arguments), target)


def _made(value: Callable[..., Any], target: str, *arguments: Any, **named: Any) -> Any:
    try:
        return value(*arguments, **named)
    except Exception as error:
        raise Problem(f"{target} fails to build: {type(error).__name__}: {one_line(error)} ({HINT})") from error


def _callable(network: Any, target: str) -> Callable[[Any], Any]:
    if not callable(network):
        raise Problem(
            f"{target} built an object of type {type(network).__name__}: it must build a function x → scores (B, C)"
        )
    return network
