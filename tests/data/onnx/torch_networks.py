"""The networks of the files beside, in PyTorch: small ones as people write them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class LeNet(nn.Module):
    """Convolutions and dense layers with biases, ReLU, max pooling; 1×28×28."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 8, 5)
        self.fc1, self.fc2 = nn.Linear(128, 24), nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return self.fc2(functional.relu(self.fc1(x)))


class Block(nn.Module):
    """Two convolutions with batch norm beside a skip."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        plain = width == out and stride == 1
        self.skip = None if plain else nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + (x if self.skip is None else self.skip(x)))


class ResNet(nn.Module):
    """A stem and two residual blocks, batch norm, global average pooling; 3×12×12."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.block1, self.block2 = Block(4, 4, 1), Block(4, 8, 2)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.bn(self.conv(x)))
        return self.fc(torch.flatten(self.pool(self.block2(self.block1(x))), 1))


class Inverted(nn.Module):
    """Wider, a convolution for each channel, narrower again; a skip where the shape stays."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        wide = 2 * width
        self.layers = nn.Sequential(
            nn.Conv2d(width, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out),
        )  # fmt: skip
        self.skip = width == out and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.skip else self.layers(x)


class MobileNet(nn.Module):
    """Two inverted residual blocks with ReLU6; 3×12×12."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6())
        self.block1, self.block2 = Inverted(4, 4, 1), Inverted(4, 6, 2)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.block2(self.block1(self.stem(x))).mean([2, 3]))


class GeluMLP(nn.Module):
    """Three dense layers with GELU and dropout; 20 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(20, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Encoder(nn.Module):
    """Attention and a GELU perceptron, layer norm before each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.out(a.transpose(1, 2).reshape(b, t, d))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    """Patches, a class token, positions, two encoders; 3×12×12."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 10, width))
        self.encoders = nn.ModuleList([Encoder(width, 2) for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for encoder in self.encoders:
            x = encoder(x)
        return self.head(self.norm(x)[:, 0])


NETWORKS: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "lenet": (LeNet, (1, 28, 28)),
    "resnet": (ResNet, (3, 12, 12)),
    "mobilenet": (MobileNet, (3, 12, 12)),
    "gelu_mlp": (GeluMLP, (20,)),
    "vit": (ViT, (3, 12, 12)),
}
"""Name → class and shape of one input."""


def trained(name: str, seed: int = 0) -> nn.Module:
    """A network with weights and running statistics that are not those it begins with, in evaluation mode."""
    torch.manual_seed(seed)
    kind, shape = NETWORKS[name]
    module = kind()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.2)
        module.train()
        for _ in range(20):
            module(torch.randn(16, *shape))
    return module.eval()
