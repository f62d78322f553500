"""fastvec/numpy.hpp and numpy_scalar.hpp against NumPy itself, bit for bit."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from support.compiling import WARNINGS, compile_library

SOURCE = """
#include <fastvec/numpy.hpp>
#include <fastvec/numpy_scalar.hpp>
namespace numpy = fastvec::numpy;
template <class T, class Function>
void each(const void* in, void* out, long count, const Function& function) {
  for (long i = 0; i < count; ++i) static_cast<T*>(out)[i] = function(static_cast<const T*>(in)[i]);
}
extern "C" {
void square64(const void* in, void* out, long n) {
  each<double>(in, out, n, [](double x) { return numpy::square(x); });
}
void square32(const void* in, void* out, long n) { each<float>(in, out, n, [](float x) { return numpy::square(x); }); }
void floor_mod(const void* in, void* out, long n) {
  each<double>(in, out, n, [](double x) { return numpy::floor_mod(x, 6.283185307179586); });
}
void sin32(const void* in, void* out, long n) { each<float>(in, out, n, [](float x) { return numpy::sin(x); }); }
void cos32(const void* in, void* out, long n) { each<float>(in, out, n, [](float x) { return numpy::cos(x); }); }
void sin64(const void* in, void* out, long n) { each<double>(in, out, n, [](double x) { return numpy::sin(x); }); }
void clip64(const void* in, void* out, long n) {
  each<double>(in, out, n, [](double x) { return numpy::clip(x, -1.0, 2.0); });
}
void inexact(const void* in, void* out, long n) {
  each<double>(in, out, n, [](double x) { return numpy::square_candidate(x).exact ? 0.0 : 1.0; });
}
double sum64(const double* in, long n) { return numpy::sum(std::span(in, static_cast<std::size_t>(n))); }
float sum32(const float* in, long n) { return numpy::sum(std::span(in, static_cast<std::size_t>(n))); }
double squares64(const double* in, long n) {
  return numpy::sum_of_squares(std::span(in, static_cast<std::size_t>(n)));
}
// 3.0 * x + y * 0.1, where x is float32 and y is float32 or float64.
double promoted(float x, double y, int y_is_float64) {
  using fastvec::NumpyScalar;
  const NumpyScalar second = y_is_float64 ? NumpyScalar::float64(y) : NumpyScalar::float32(static_cast<float>(y));
  return (3.0 * NumpyScalar::float32(x) + second * 0.1).value;
}
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder: Path = tmp_path_factory.mktemp("numpy")
    (folder / "numbers.cpp").write_text(SOURCE)
    flags = ("-ffp-contract=off", "-fvisibility=default", *WARNINGS)
    made = ctypes.CDLL(str(compile_library(folder / "numbers.cpp", folder / "numbers.so", flags=flags)))
    made.sum64.restype = made.squares64.restype = made.promoted.restype = ctypes.c_double
    made.sum32.restype = ctypes.c_float
    return made


def numbers(dtype: type, scale: float, count: int = 20_000) -> np.ndarray:
    drawn = np.random.default_rng(7).standard_normal(count) * scale
    return np.concatenate([drawn, [0.0, -0.0, 1e-300, -1e-9, 1e9, np.inf, -np.inf, np.nan]]).astype(dtype)


def applied(library: ctypes.CDLL, name: str, values: np.ndarray) -> np.ndarray:
    out = np.empty_like(values)
    getattr(library, name)(values.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p), len(values))
    return out


def assert_same_bits(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.dtype == theirs.dtype
    same = (ours.view(f"u{ours.itemsize}") == theirs.view(f"u{theirs.itemsize}")) | (np.isnan(ours) & np.isnan(theirs))
    assert same.all(), (ours[~same][:3], theirs[~same][:3])


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_functions_give_the_bits_of_numpy(library, scale):
    x64, x32 = numbers(np.float64, scale), numbers(np.float32, scale)
    assert_same_bits(applied(library, "square64", x64), np.array([x**2 for x in x64]))
    assert_same_bits(applied(library, "square32", x32), np.array([x**2 for x in x32]))
    assert_same_bits(applied(library, "floor_mod", x64), np.array([x % (2 * np.pi) for x in x64]))
    assert_same_bits(applied(library, "sin32", x32), np.sin(x32))
    assert_same_bits(applied(library, "cos32", x32), np.cos(x32))
    assert_same_bits(applied(library, "sin64", x64), np.sin(x64))
    assert_same_bits(applied(library, "clip64", x64), np.clip(x64, -1.0, 2.0))


def test_few_candidates_have_to_be_computed_again(library):
    assert 0 < applied(library, "inexact", numbers(np.float64, 1.0)).mean() < 0.1


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17, 128, 129, 300, 1001])
def test_sums_are_rounded_as_numpy_rounds_them(library, count):
    values = np.random.default_rng(3).standard_normal(count)
    pointer = values.ctypes.data_as(ctypes.c_void_p)
    assert library.sum64(pointer, count) == values.sum()
    assert library.squares64(pointer, count) == np.sum(np.square(values))
    small = values.astype(np.float32)
    assert np.float32(library.sum32(small.ctypes.data_as(ctypes.c_void_p), count)) == small.sum()


def test_scalars_promote_as_numpy_promotes_them(library):
    for x, y in np.random.default_rng(5).standard_normal((200, 2)):
        for dtype in (np.float32, np.float64):
            theirs = 3.0 * np.float32(x) + dtype(y) * 0.1
            ours = library.promoted(ctypes.c_float(x), ctypes.c_double(y), int(dtype is np.float64))
            assert ours == float(theirs)
