import pytest
import torch
from torch import nn

from sandbox.records import Training
from sandbox.training.optimiser import Optimiser, flatten, follow


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(3, 2)).to(memory_format=torch.channels_last)


def loss_of(net: nn.Module) -> torch.Tensor:
    return net(torch.arange(24.0).reshape(3, 2, 2, 2)).square().mean()


def test_equals_torch_adamw_with_clipping() -> None:
    ours, theirs = network(), network()
    optimiser = Optimiser(ours, learning_rate=0.01, max_grad_norm=0.5, weight_decay=0.1)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(5):
        optimiser.clear()
        loss_of(ours).backward()
        reference.zero_grad()
        loss_of(theirs).backward()
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        assert optimiser.step(0.0).item() == pytest.approx(expected.item(), rel=1e-5)
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_small_gradients_are_not_scaled_up() -> None:
    net = nn.Linear(1, 1, bias=False)
    optimiser = Optimiser(net, learning_rate=0.01, max_grad_norm=1.0, weight_decay=0.0)
    optimiser.gradient.fill_(0.25)
    optimiser.step(0.0)
    assert optimiser.gradient.tolist() == [0.25]


def test_flattening_keeps_values_and_strides() -> None:
    net = network()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    strides = [parameter.stride() for parameter in net.parameters()]
    flat = flatten(net)
    assert flat.numel() == sum(parameter.numel() for parameter in before)
    assert [parameter.stride() for parameter in net.parameters()] == strides
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    flat.zero_()
    assert all(parameter.abs().sum() == 0 for parameter in net.parameters())


def test_learning_rate_is_the_programs_or_the_campaigns() -> None:
    for training, rate in ((Training(), 0.5), (Training(learning_rate=0.01), 0.01)):
        net = nn.Linear(1, 1, bias=False)
        optimiser = Optimiser.of(net, training, 0.5)
        start = net.weight.item()
        optimiser.gradient.fill_(0.1)
        optimiser.step(0.0)
        assert start - net.weight.item() == pytest.approx(rate, rel=1e-4)  # Adam's first step is the learning rate


@pytest.mark.parametrize(
    ("decay", "progress", "rate"), [(0.0, 1.0, 0.01), (1.0, 0.0, 0.01), (1.0, 0.25, 0.0075), (0.5, 1.0, 0.005), (1.0, 1.0, 0.0)]
)
def test_the_learning_rate_falls_as_declared(decay: float, progress: float, rate: float) -> None:
    net = nn.Linear(1, 1, bias=False)
    optimiser = Optimiser.of(net, Training(learning_rate=0.01, learning_rate_decay=decay), 0.5)
    start = net.weight.item()
    optimiser.gradient.fill_(0.1)
    optimiser.step(progress)
    assert start - net.weight.item() == pytest.approx(rate, rel=1e-4)


def test_slow_average_follows() -> None:
    slow, fast = torch.tensor([1.0]), torch.tensor([2.0])
    follow(slow, fast, 0.9)
    assert slow.item() == pytest.approx(1.1)
    follow(slow, fast, 0.0)
    assert slow.item() == 2.0
