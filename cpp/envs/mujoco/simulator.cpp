#include "simulator.hpp"

#include <atomic>
#include <cstring>

#include "trap.hpp"

namespace mujoco_envs {

Simulator::Simulator(const std::vector<std::int64_t>& handles) {
  HandleReader reader(handles);
  if (const std::int64_t protocol = reader.integer(); protocol != kProtocol) {
    throw fastvec::InvalidArgument("expected handles of protocol " + std::to_string(kProtocol) + ", got " +
                                   std::to_string(protocol));
  }
  num_envs_ = reader.integer();
  frame_skip_ = reader.size();
  functions_.step = reader.address<decltype(functions_.step)>();
  functions_.forward = reader.address<decltype(functions_.forward)>();
  functions_.reset_data = reader.address<decltype(functions_.reset_data)>();
  functions_.rne_post_constraint = reader.address<decltype(functions_.rne_post_constraint)>();
  functions_.get_state = reader.address<decltype(functions_.get_state)>();
  functions_.set_state = reader.address<decltype(functions_.set_state)>();
  auto* const user_error = reader.address<MessageHandler*>();
  auto* const user_warning = reader.address<MessageHandler*>();
  auto* const write_log = reader.address<void (*)(const char*, const char*)>();
  model_ = reader.address<const void*>();
  body_mass_ = reader.address<const double*>();
  signature_ = static_cast<int>(reader.integer());
  state_size_ = reader.size();
  num_warnings_ = reader.size();
  warning_stride_ = reader.size();
  alerts_ = reader.address<std::int64_t*>();
  bytes_per_data_ = reader.integer();
  rounding_.fused_dot = reader.integer() != 0;
  rounding_.fused_einsum = reader.integer() != 0;
  for (std::size_t& size : sizes_) size = reader.size();
  saved_sizes_.resize(reader.size());
  for (std::size_t& size : saved_sizes_) size = reader.size();

  datas_ = std::make_unique<Data[]>(static_cast<std::size_t>(num_envs_));
  for (std::int64_t env = 0; env < num_envs_; ++env) {
    Data& data = datas_[static_cast<std::size_t>(env)];
    data.simulator_ = this;
    data.index_ = env;
    data.data_ = reader.address<void*>();
    data.warning_numbers_ = reader.address<const std::byte*>();
    data.warning_infos_ = reader.address<const std::byte*>();
    for (double*& field : data.fields_) field = reader.address<double*>();
    data.saved_.resize(saved_sizes_.size());
    for (double*& array : data.saved_) array = reader.address<double*>();
  }
  reader.expect_end();
  install_handlers(user_error, user_warning, write_log);
}

Data& Simulator::data(std::int64_t env) const {
  if (env >= num_envs_) {
    throw fastvec::InvalidArgument("expected handles for more than " + std::to_string(env) + " envs, got them for " +
                                   std::to_string(num_envs_));
  }
  return datas_[static_cast<std::size_t>(env)];
}

void Data::reset_data() {
  noted_ = 0;
  trapped(
      [](void* self) {
        static_cast<Data*>(self)->simulator_->functions_.reset_data(static_cast<Data*>(self)->simulator_->model_,
                                                                    static_cast<Data*>(self)->data_);
      },
      this);
}

void Data::forward() {
  trapped(
      [](void* self) {
        static_cast<Data*>(self)->simulator_->functions_.forward(static_cast<Data*>(self)->simulator_->model_,
                                                                 static_cast<Data*>(self)->data_);
      },
      this);
  note_warnings();
}

void Data::step_frames() {
  trapped(
      [](void* context) {
        const Data& self = *static_cast<Data*>(context);
        const Simulator& simulator = *self.simulator_;
        for (std::size_t i = 0; i < simulator.frame_skip_; ++i) {
          simulator.functions_.step(simulator.model_, self.data_);
        }
        simulator.functions_.rne_post_constraint(simulator.model_, self.data_);
      },
      this);
  note_warnings();
}

// Tells Python of the first warning of each kind in an episode. alerts_[0] counts them all; after it comes a number per
// env and kind, which only this env's thread writes: how many in its upper half, what the last one was about in its
// lower one. Python looks at the count after each batch; the numbers only grow, so nothing is lost in between.
void Data::note_warnings() {
  for (std::size_t kind = 0; kind < simulator_->num_warnings_; ++kind) {
    std::int32_t count;
    std::memcpy(&count, warning_numbers_ + kind * simulator_->warning_stride_, sizeof count);
    if (count == 0) [[likely]]
      continue;
    const std::uint32_t bit = 1u << (kind & 31);
    if ((noted_ & bit) != 0) continue;
    noted_ |= bit;
    std::int32_t about;
    std::memcpy(&about, warning_infos_ + kind * simulator_->warning_stride_, sizeof about);
    const auto at = 1 + static_cast<std::size_t>(index_) * simulator_->num_warnings_ + kind;
    const std::atomic_ref<std::int64_t> entry(simulator_->alerts_[at]);
    const std::int64_t number = (entry.load(std::memory_order_relaxed) >> 32) + 1;
    entry.store(number << 32 | static_cast<std::uint32_t>(about), std::memory_order_relaxed);
    // Release: whoever sees the new count sees the entry. Python reads both after the engine's own synchronisation.
    std::atomic_ref<std::int64_t>(simulator_->alerts_[0]).fetch_add(1, std::memory_order_release);
  }
}

void Data::save(fastvec::StateWriter& writer) const {
  std::vector<double> state(simulator_->state_size_);
  simulator_->functions_.get_state(simulator_->model_, data_, state.data(), simulator_->signature_);
  writer.bytes(state.data(), state.size() * sizeof(double));
  for (std::size_t i = 0; i < saved_.size(); ++i) {
    writer.bytes(saved_[i], simulator_->saved_sizes_[i] * sizeof(double));
  }
}

void Data::load(fastvec::StateReader& reader) {
  std::vector<double> state(simulator_->state_size_);
  reader.bytes(state.data(), state.size() * sizeof(double));
  simulator_->functions_.set_state(simulator_->model_, data_, state.data(), simulator_->signature_);
  for (std::size_t i = 0; i < saved_.size(); ++i) {
    reader.bytes(saved_[i], simulator_->saved_sizes_[i] * sizeof(double));
  }
}

}  // namespace mujoco_envs
