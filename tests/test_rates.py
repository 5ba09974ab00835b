"""Learning rates: what the finder's curves suggest, and what is made of a suggestion."""
import pytest
import torch
from conftest import small_settings

from clothing_classifier.training.rates import accepted_rate, descent, edge

RATES = torch.logspace(-7, 0, 40)
FLAT = 1.6 + 20*RATES # flat until it rises


def test_the_edge_of_a_flat_curve():
    assert 1e-3 < edge(RATES, FLAT, 50)[0] < 3e-3


def test_an_easy_batch_at_the_beginning_changes_nothing():
    easy = torch.cat([torch.tensor([1.2, 1.4]), FLAT[2:]])
    assert edge(RATES, easy, 50)[0] == edge(RATES, FLAT, 50)[0]


@pytest.mark.parametrize('suggest', [descent, edge])
def test_a_curve_that_ended_at_once_suggests_next_to_nothing(suggest):
    assert suggest(RATES[:0], FLAT[:0], 50)[0] < 1e-6


def test_limits(tmp_path):
    settings = small_settings(tmp_path, train_min_rate=1e-4, train_max_rate=1e-2)
    assert accepted_rate(5e-3, settings) == 5e-3
    assert accepted_rate(1e-9, settings) == 1e-4


def test_no_limit_found_warns_and_chooses_cautiously(tmp_path):
    settings = small_settings(tmp_path, train_min_rate=1e-4, train_max_rate=1e-2)
    with pytest.warns(UserWarning, match='few pictures.*frozen_rate'): rate = accepted_rate(.3, settings)
    assert rate == pytest.approx(1e-3)
