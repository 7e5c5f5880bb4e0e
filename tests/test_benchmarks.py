"""What the benchmarks count, not how fast anything is."""

from benchmarks.training_speed import training_flops


def test_operations_of_the_published_network_follow_in_closed_form():
    first = 2 * 62**2 * 9 * 16
    second, gates = 2 * 29**2 * 9 * 16 * 32, 2 * (14 * 14 * 32 + 32) * 4 * 32
    head = 3 * 2 * (32 * 64 + 64 * 4)
    assert training_flops(30, 64, 1) == 30 * (2 * first + 3 * (second + gates)) + head
