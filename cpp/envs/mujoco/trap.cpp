#include "trap.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace mujoco_envs {

namespace {

struct Trap {
  std::jmp_buf where;
  char message[1024];
};

thread_local Trap* current = nullptr;

// Written by install_handlers before any env exists.
MessageHandler previous_error = nullptr;
void (*log_writer)(const char* type, const char* message) = nullptr;

void on_error(const char* message) {
  if (Trap* const trap = current) {
    std::strncpy(trap->message, message, sizeof trap->message - 1);
    trap->message[sizeof trap->message - 1] = '\0';
    std::longjmp(trap->where, 1);
  }
  // Not a call of ours: what would have happened without us.
  if (previous_error != nullptr) return previous_error(message);
  if (log_writer != nullptr) log_writer("ERROR", message);
  std::fprintf(stderr, "ERROR: %s\n\n", message);
  std::exit(EXIT_FAILURE);
}

void on_warning(const char* message) {
  if (current != nullptr) return;
  if (log_writer != nullptr) log_writer("WARNING", message);
  std::fprintf(stderr, "WARNING: %s\n\n", message);
}

// True if it came back by a jump. In a function of its own, without locals that the jump could leave undefined.
bool jumped(Trap& trap, void (*call)(void*), void* context) {
  if (setjmp(trap.where) != 0) return true;
  call(context);
  return false;
}

}  // namespace

void install_handlers(MessageHandler* user_error, MessageHandler* user_warning,
                      void (*write_log)(const char* type, const char* message)) {
  if (*user_error != on_error) {
    previous_error = *user_error;
    log_writer = write_log;
    *user_error = on_error;
  }
  if (*user_warning == nullptr) *user_warning = on_warning;
}

void trapped(void (*call)(void* context), void* context) {
  Trap trap;
  Trap* const outer = current;  // a callback of the user's may step another env
  current = &trap;
  const bool failed = jumped(trap, call, context);
  current = outer;
  if (failed) throw std::runtime_error(std::string("MuJoCo: ") + trap.message);
}

}  // namespace mujoco_envs
