#include "car_racing.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace box2d_envs {

namespace {

constexpr double kFps = 50.0;

// One per thread: an env's picture is made when it is asked for, and not kept.
Canvas& canvas_of_thread() {
  thread_local std::unique_ptr<Canvas> canvas;
  if (!canvas) canvas = std::make_unique<Canvas>();
  return *canvas;
}

}  // namespace

fastvec::Spec CarRacing::spec(const Shared& shared) {
  constexpr auto kSmall = static_cast<std::int64_t>(Canvas::kSmall);
  std::vector<std::uint8_t> low(Canvas::kSmall * Canvas::kSmall * 3, 0), high(low.size(), 255);
  fastvec::Space action = shared.config.continuous
                              ? fastvec::Space(fastvec::Box<float>({-1.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, {3}))
                              : fastvec::Space(fastvec::Discrete(5));
  return {.observation = fastvec::Box<std::uint8_t>(low, high, {kSmall, kSmall, 3}),
          .action = std::move(action),
          .info = {fastvec::info_field<bool>("lap_finished")}};
}

void CarRacing::Drive::touch(const Contact& contact, bool begins) {
  const auto* first = static_cast<const Mark*>(contact.body_a().user_data());
  const auto* second = static_cast<const Mark*>(contact.body_b().user_data());
  const auto is_tile = [](const Mark* mark) { return mark != nullptr && mark->kind == Mark::Kind::kTile; };
  if (is_tile(second)) std::swap(first, second);
  if (!is_tile(first)) return;
  std::uint8_t& state = tile_states[first->index];
  state |= kTouched;
  if (second == nullptr) return;  // the hull
  if (begins) {
    state |= under_wheel(second->index);
    ++car.wheel(second->index).tiles;
    if ((state & kVisited) != 0) return;
    state |= kVisited;
    const auto count = static_cast<double>(tiles.size());
    reward += 1000.0 / count;
    ++tiles_visited;
    if (first->index == 0 && static_cast<double>(tiles_visited) / count > lap_complete_percent) is_lap_over = true;
  } else {
    state &= static_cast<std::uint8_t>(~under_wheel(second->index));
    --car.wheel(second->index).tiles;
  }
}

CarRacing::Pedals CarRacing::discrete(std::int64_t action) {
  return {action == 1 ? -0.6 : action == 2 ? 0.6 : 0.0, action == 3 ? 0.2 : 0.0, action == 4 ? 0.8 : 0.0};
}

void CarRacing::clear() {
  Drive& drive = *drive_;
  if (!drive.car.is_built()) return;
  OwnedWorld& world = *drive.world;
  world.listen(nullptr);
  for (Body* const tile : drive.tiles) world.destroy(tile);
  drive.tiles.clear();
  drive.car.destroy(world);
}

void CarRacing::recolor(fastvec::Rng& rng) {
  for (double& part : colors_.road) part = rng.uniform(0.0, 210.0);
  for (double& part : colors_.ground) part = rng.uniform(0.0, 210.0);
  colors_.grass = colors_.ground;
  colors_.grass[static_cast<std::size_t>(rng.integers(0, 3))] += 20.0;
}

void CarRacing::reset(const Shared& shared, fastvec::Rng& rng, const fastvec::Options& options) {
  Drive& drive = *drive_;
  if (!drive.world) drive.world = std::make_unique<OwnedWorld>(shared_->library, Vec2{});
  clear();
  history_ = drive.world->history();
  if (shared.config.domain_randomize && !has_colors_) {
    // Gymnasium draws these when it makes an env, before there is a seed. Only randomize=False shows them.
    fv_rng copy = rng.state();
    fastvec::Rng early(copy);
    recolor(early);
  }
  has_colors_ = true;
  old_colors_ = colors_;
  const bool is_recolored = shared.config.domain_randomize && options.get(0, 1.0) != 0.0;
  setting_ = {shared.config.lap_complete_percent, is_recolored ? std::uint64_t{1} : 0};
  replay_.begin(rng.state(), setting_);
  begin(shared, setting_, rng);
  replay_.left(rng.state());
}

void CarRacing::begin(const Shared& shared, const Setting& setting, fastvec::Rng& rng) {
  Drive& drive = *drive_;
  OwnedWorld& world = *drive.world;
  world.listen(&drive);
  drive.lap_complete_percent = setting.lap_complete_percent;
  drive.reward = 0.0;
  drive.tiles_visited = 0;
  drive.is_lap_over = false;
  last_reward_ = seconds_ = 0.0;
  if (setting.is_recolored != 0) recolor(rng);

  build_track(rng, drive.track);
  const std::size_t count = drive.track.tiles.size();
  drive.tile_states.assign(count, 0);
  drive.tile_marks.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    drive.tile_marks[i] = {Mark::Kind::kTile, i};
    std::array<Vec2, 4> corners;
    for (std::size_t k = 0; k < 4; ++k)
      corners[k] = vec2(drive.track.tiles[i].road[k][0], drive.track.tiles[i].road[k][1]);
    const PolygonShape shape = shared.library.polygon(corners);
    drive.tiles.push_back(world.add_static({.shape = &shape, .is_sensor = true}, &drive.tile_marks[i]));
  }
  std::array<void*, RaceCar::kWheels> marks;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    drive.wheel_marks[i] = {Mark::Kind::kWheel, i};
    marks[i] = &drive.wheel_marks[i];
  }
  drive.car.build(world, shared.shapes, drive.track.angle, drive.track.x, drive.track.y, marks);
  move(shared);
}

void CarRacing::move(const Shared& shared) {
  Drive& drive = *drive_;
  drive.car.push(shared.library, 1.0 / kFps);
  drive.world->step(static_cast<float>(1.0 / kFps), 6 * 30, 2 * 30);
  seconds_ += 1.0 / kFps;
  shown_reward_ = drive.reward;
}

fastvec::StepResult CarRacing::step_with(const Shared& shared, const Pedals& pedals, fastvec::Rng& rng,
                                         fastvec::Info& info) {
  replay_.add(pedals, rng.state(), setting_);
  const Outcome outcome = advance(shared, pedals);
  replay_.left(rng.state());
  if (outcome.is_known) info.set(0, outcome.is_finished);
  return outcome.result;
}

CarRacing::Outcome CarRacing::advance(const Shared& shared, const Pedals& pedals) {
  Drive& drive = *drive_;
  drive.car.steer(pedals.steer);
  drive.car.gas(pedals.gas);
  drive.car.brake(pedals.brake);
  move(shared);

  drive.reward -= 0.1;
  double reward = drive.reward - last_reward_;
  last_reward_ = drive.reward;
  const bool is_finished = drive.tiles_visited == static_cast<std::int64_t>(drive.tiles.size()) || drive.is_lap_over;
  const Vec2 position = drive.car.hull().position();
  const bool is_away = std::fabs(static_cast<double>(position.x)) > kPlayfield ||
                       std::fabs(static_cast<double>(position.y)) > kPlayfield;
  if (is_away) reward = -100.0;
  const bool is_over = is_finished || is_away;
  return {{.reward = reward, .terminated = is_over}, is_over, is_finished && !is_away};
}

void CarRacing::observe(const Shared& shared, Observation observation) const {
  const Drive& drive = *drive_;
  if (!drive.car.is_built()) {
    std::ranges::fill(observation, std::uint8_t{0});
    return;
  }
  Canvas& canvas = canvas_of_thread();
  draw_race(canvas, shared.digits,
            {.library = shared.library,
             .track = drive.track,
             .tile_states = drive.tile_states,
             .touched = Drive::kTouched,
             .car = drive.car,
             .shapes = shared.shapes,
             .colors = colors_,
             .seconds = seconds_,
             .reward = shown_reward_});
  canvas.shrink(observation);
}

void CarRacing::save(fastvec::StateWriter& writer) const {
  writer.value(view());
  writer.sequence(drive_->tile_states);
  writer.sequence(history_.free_nodes);
  writer.value(history_.last_rate);
  writer.value(old_colors_);
  writer.value(static_cast<std::uint8_t>(has_colors_ ? 1 : 0));
  replay_.save(writer);
}

void CarRacing::load(fastvec::StateReader& reader) {
  const View expected = reader.value<View>();
  const auto tile_states = reader.sequence<std::vector<std::uint8_t>>();
  history_.free_nodes = reader.sequence<std::vector<std::int32_t>>();
  history_.last_rate = reader.value<float>();
  colors_ = old_colors_ = reader.value<RaceColors>();
  has_colors_ = reader.value<std::uint8_t>() != 0;
  replay_.load(reader);
  drive_ = std::make_unique<Drive>();
  if (expected.has_started == 0) return;
  drive_->world = std::make_unique<OwnedWorld>(shared_->library, Vec2{});
  drive_->world->restore(history_);
  replay_.play(
      [&](const Setting& setting, fastvec::Rng& rng) {
        setting_ = setting;
        begin(*shared_, setting, rng);
      },
      [&](const Setting&, const Pedals& pedals, fastvec::Rng&) { advance(*shared_, pedals); });
  const View found = view();
  if (std::memcmp(&found, &expected, sizeof found) != 0 || drive_->tile_states != tile_states) {
    throw std::runtime_error("the saved episode plays differently here: it was saved with another Box2D");
  }
}

CarRacing::View CarRacing::view() const {
  View view{};
  const Drive& drive = *drive_;
  if (!drive.car.is_built()) return view;
  view.has_started = 1;
  view.bodies[0] = BodyView::of(drive.car.hull());
  for (std::size_t i = 0; i < RaceCar::kWheels; ++i) {
    const Wheel& wheel = drive.car.wheels()[i];
    view.bodies[1 + i] = BodyView::of(*wheel.body);
    view.wheels[i] = {wheel.gas, wheel.brake, wheel.steer, wheel.phase, wheel.omega};
  }
  view.reward = drive.reward;
  view.last_reward = last_reward_;
  view.shown_reward = shown_reward_;
  view.seconds = seconds_;
  view.colors = colors_;
  view.tiles_visited = drive.tiles_visited;
  view.is_lap_over = drive.is_lap_over ? 1 : 0;
  view.is_recolored = setting_.is_recolored != 0 ? 1 : 0;
  return view;
}

}  // namespace box2d_envs
