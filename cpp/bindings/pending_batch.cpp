#include "pending_batch.hpp"

#include <utility>

namespace fastvec::bindings {

void PendingBatch::write_to(OutArrays arrays) {
  given = std::move(arrays);
  if (!given.observations.empty()) view.observations = given.observations;
  if (given.rewards != nullptr) view.rewards = static_cast<double*>(given.rewards);
  if (given.terminated != nullptr) view.terminated = static_cast<std::uint8_t*>(given.terminated);
  if (given.truncated != nullptr) view.truncated = static_cast<std::uint8_t*>(given.truncated);
}

void PendingBatch::run(void* batch, const engine::StopCheck& stop) {
  auto& self = *static_cast<PendingBatch*>(batch);
  if (self.actions) {
    self.engine.step(self.actions->view(), self.view, stop);
  } else {
    self.engine.reset(self.mask ? self.mask->data() : nullptr, self.options ? &*self.options : nullptr, self.view,
                      stop);
  }
}

}  // namespace fastvec::bindings
