"""A frozen expert network: one TorchScript file, called the same way everywhere."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from vasa.pretrained.registry import REGISTRY, find_weight, require_weight


class FrozenExpert:
    """A frozen network of the registry; subclasses say what goes in and what comes out.

    It is no `nn.Module` on purpose: a module that holds one has neither its weights in its
    checkpoints nor its buffers in its averages. The network has no parameters; gradients flow
    to the input only. It follows its input to another device, and runs in float32 outside of
    autocast (under bfloat16 these networks are wrong by up to 12 percent).

    Raises:
        InputError: the file is missing or is not the registered one.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        path = require_weight(self.name)
        with warnings.catch_warnings():  # torch 2.15 calls jit.load deprecated; 2.11 has no other
            warnings.simplefilter("ignore", FutureWarning)
            self.net: Any = torch.jit.load(str(path), map_location="cpu").eval()
        self._device = torch.device("cpu")

    @classmethod
    def available(cls) -> bool:
        """Whether the expert's file is found."""
        return find_weight(cls.name) is not None

    @classmethod
    def describe(cls) -> dict[str, str]:
        """What a result names: the expert, its file, checksum and licence."""
        entry = REGISTRY[cls.name]
        return {
            "name": entry.name,
            "file": entry.file,
            "sha256": entry.sha256,
            "licence": entry.licence,
        }

    def call(self, value: Tensor, **options: Any) -> Any:
        """The network's raw output for a float input and its options, with autocast off.

        Pictures go in channels-last: on a CPU the landmark network takes half the time so.
        """
        with self.steadily(value) as (net, steady):
            return net(steady, **options)

    @contextmanager
    def steadily(self, value: Tensor) -> Iterator[tuple[Any, Tensor]]:
        """The network on the input's device and the input as it takes it, with autocast off."""
        if value.device != self._device:
            self.net = self.net.to(value.device)
            self._device = value.device
        value = value.float()
        if value.dim() == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        with torch.autocast(value.device.type, enabled=False):
            yield self.net, value
