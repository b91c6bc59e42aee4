import sys

import pytest

from kernels.api import InputError
from kernels.data import tf_data_reader
from kernels.data.share import Options
from kernels.data.tf_data_reader import PYTHON_VARIABLE, TfDataReader


def test_absence_is_said_with_the_way_out(monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    assert "nox -s tensorflow" in tf_data_reader.missing()
    monkeypatch.setenv(PYTHON_VARIABLE, "/no/such/python")
    assert "/no/such/python, which is no program" in tf_data_reader.missing()


def test_environment_without_tensorflow_is_one_line_and_leaves_nothing(shares, monkeypatch, tmp_path):
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    monkeypatch.setattr(tf_data_reader, "_SHARED_MEMORY", tmp_path)
    with pytest.raises(InputError, match="exit code 1: ModuleNotFoundError: No module named 'tensorflow'"):
        TfDataReader(shares["binary"], Options(32, 2, 2))
    assert not list(tmp_path.iterdir())
