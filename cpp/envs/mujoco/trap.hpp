// MuJoCo's errors as C++ exceptions.
//
// MuJoCo reports a fatal error by mju_error, which must not return and by default ends the process. Here it jumps
// back to where the call began. The jump leaves C frames of MuJoCo only; the mjData it happened in is good for nothing
// but mj_resetData.
#pragma once

#include <cstdint>

namespace mujoco_envs {

using MessageHandler = void (*)(const char* message);

// Takes over mju_user_error, and mju_user_warning where nobody else has it; other callers of MuJoCo notice nothing. To
// be called once or more, by one thread at a time, before any `trapped`.
void install_handlers(MessageHandler* user_error, MessageHandler* user_warning,
                      void (*write_log)(const char* type, const char* message));

// Calls `call(context)`; a MuJoCo error in it becomes a std::runtime_error. Warnings in it are not printed: whoever
// calls finds them in mjData. `call` must hold nothing that needs a destructor.
void trapped(void (*call)(void* context), void* context);

}  // namespace mujoco_envs
