// A forked process that runs a function and says by its exit status how that went.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

// ThreadSanitizer sees one process only: what another one wrote to shared memory it would miss or misjudge.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kCanFork = false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kCanFork = false;
#else
inline constexpr bool kCanFork = true;
#endif
#else
inline constexpr bool kCanFork = true;
#endif

class Forked {
 public:
  // `work` returns whether all was as expected. The child leaves at once, without destructors or leak checks:
  // what it inherited is the parent's.
  template <class Work>
  explicit Forked(const Work& work) : pid_(fork()) {
    if (pid_ == 0) _exit(work() ? 0 : 1);
  }
  ~Forked() {
    if (pid_ <= 0) return;
    kill();
    wait();
  }
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;

  void kill() const { ::kill(pid_, SIGKILL); }
  // True if the work was done as expected.
  bool wait() {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, 0);
    pid_ = -1;
    return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};
