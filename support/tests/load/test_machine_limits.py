"""What the machine has room for is said with the number that is missing, and several addresses are used."""

import resource
from collections.abc import Iterator

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.load.machine_limits import MachineLimit, ports, raise_descriptor_limit, sources_for
from greenlight_gate.load.plan import shares

from support.tests.load.users import plan, run


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_to_the_hard_one(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))

    raise_descriptor_limit(500)

    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 500


def test_what_is_missing_is_said_with_the_way_to_get_it(limits: tuple[int, int]) -> None:
    most = limits[1] if limits[1] != resource.RLIM_INFINITY else 10**12

    with pytest.raises(
        MachineLimit, match=rf"{most + 36} users need {most + 100} file descriptors.* 100 are missing.*ulimit"
    ):
        raise_descriptor_limit(most + 36)


def test_ports_and_source_addresses() -> None:
    each = ports()
    assert 1_000 < each <= 65_536
    assert sources_for(each // 2, "ws://127.0.0.1:80/ws", ()) == ()
    assert sources_for(each // 2 + 1, "ws://127.0.0.1:80/ws", ()) == ("127.0.0.2", "127.0.0.3")
    assert sources_for(each, "ws://chat.example/ws", ()) == ()
    assert sources_for(5, "ws://chat.example/ws", ("10.0.0.5",)) == ("10.0.0.5",)
    with pytest.raises(MachineLimit, match="need 2 source addresses"):
        sources_for(each + 1, "ws://chat.example/ws", ("10.0.0.5",))
    with pytest.raises(MachineLimit, match="--source ADDRESS"):
        sources_for(each + 1, "ws://chat.example/ws", ())


@pytest.mark.parametrize("source", ["300.1.1.1", "eth0", "", "10.0.0.5:80"])
def test_a_source_that_is_no_address_is_not_the_targets_fault(source: str) -> None:
    with pytest.raises(MachineLimit, match=f"--source {source}: expected an IP address"):
        sources_for(5, "ws://chat.example/ws", (source,))


def test_users_come_from_several_addresses(backend: BackendProcess) -> None:
    came = run(plan(backend.url, 4, sources=("127.0.0.2", "127.0.0.3")))

    assert (came.connections_made, came.runs, came.counts) == (4, 12, {})


@pytest.mark.parametrize("source", ["192.0.2.1", "::1"], ids=["not ours", "of another family"])
def test_an_address_that_is_not_ours_is_our_own_fault(backend: BackendProcess, source: str) -> None:
    came = run(plan(backend.url, 2, sources=(source,)))

    assert came.counts == {}
    assert came.connections_tried == came.asked == 0
    (short,) = came.short
    assert short.startswith("this machine cannot open more connections")


def test_a_crowd_is_given_more_time_for_the_first_sign() -> None:
    few, many = plan("ws://127.0.0.1:1/ws", 3), plan("ws://127.0.0.1:1/ws", 1001)

    assert (few.patience.start_s, many.patience.start_s) == (2, 30)
    parts = shares(many, 2)
    assert [share.budgets.start_s for share in parts] == [30, 30]
    assert sorted(g.user for share in parts for g in share.plan.users) == sorted(g.user for g in many.users)
