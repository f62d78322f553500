"""Pictures of an author's env: their pace, and the window of render_mode="human"."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec.native.window import tiled

SOURCE = """
#include <fastvec/env.hpp>
class Flat {{
 public:
  struct Config {{}};
  using Action = std::int64_t;
  using Observation = float&;
  static fastvec::Spec spec(const Config&) {{
    return {{.observation = fastvec::Box<float>(0.0f, 1e6f, {{}}), .action = fastvec::Discrete(2),
            .render_height = 4, .render_width = 6, {fps}}};
  }}
  void reset(const Config&, fastvec::Rng&, const fastvec::Options&) {{ steps_ = 0; }}
  fastvec::StepResult step(const Config&, Action, fastvec::Rng&) {{ ++steps_; return {{}}; }}
  void observe(const Config&, Observation observation) const {{ observation = static_cast<float>(steps_); }}
  void render(const Config&, std::span<std::uint8_t> pixels) const {{
    for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(40 * steps_);
  }}

 private:
  std::int64_t steps_ = 0;
}};
FASTVEC_PLUGIN("pictures", fastvec::env<Flat>("{env_id}"))
"""


def test_an_authors_pace_is_in_the_metadata(compile_text):
    said = compile_text(SOURCE.format(fps=".render_fps = 12", env_id="pictures/Said-v0"), name="said")
    unsaid = compile_text(SOURCE.format(fps="", env_id="pictures/Unsaid-v0"), name="unsaid")
    for library, env_id, fps in ((said, "pictures/Said-v0", 12), (unsaid, "pictures/Unsaid-v0", 30)):
        fastvec.load_plugin(library)
        envs = fastvec.make_vec(env_id, 2, render_mode="rgb_array")
        assert envs.metadata["render_modes"] == ["human", "rgb_array"]
        assert envs.metadata["render_fps"] == fps
        envs.close()
        env = gymnasium.make(env_id, render_mode="rgb_array")
        assert env.metadata["render_fps"] == fps
        env.close()


def test_human_mode_shows_the_pictures_of_all_envs_in_a_window(compile_text, monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    fastvec.load_plugin(
        compile_text(SOURCE.format(fps=".render_fps = 1000", env_id="pictures/Window-v0"), name="window")
    )
    envs = fastvec.make_vec("pictures/Window-v0", 3, render_mode="human")
    envs.reset(seed=0)
    for _ in range(2):
        envs.step(np.zeros(3, dtype=np.int64))
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    expected = np.full((8, 12, 3), 80, dtype=np.uint8)
    expected[4:, 6:] = 0  # three pictures, and the place of a fourth
    np.testing.assert_array_equal(shown, expected)
    assert pygame.display.get_caption()[0] == "pictures/Window-v0"
    assert envs.render() == (None, None, None)
    envs.close()
    assert not pygame.display.get_init()


def test_an_env_that_draws_nothing_has_no_pace(everything):
    envs = fastvec.make_vec("sdk/Plain-v0", 1)
    assert envs.metadata["render_modes"] == []
    assert "render_fps" not in envs.metadata
    with pytest.raises(ValueError, match="render_mode"):
        fastvec.make_vec("sdk/Plain-v0", 1, render_mode="human")


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 2, 2), (5, 2, 3), (9, 3, 3)])
def test_tiles_are_in_reading_order(count, rows, columns):
    pictures = [np.full((2, 3, 3), i + 1, dtype=np.uint8) for i in range(count)]
    grid = tiled(pictures)
    assert grid.shape == (2 * rows, 3 * columns, 3)
    for i in range(rows * columns):
        row, column = divmod(i, columns)
        assert (grid[2 * row : 2 * row + 2, 3 * column : 3 * column + 3] == (i + 1 if i < count else 0)).all()
