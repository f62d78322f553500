// Sets the clocks of a process that preloads this library (LD_PRELOAD) forward by more than a year. `fastvec check`
// plays an env in such a process: one that looks at a clock then differs, however coarsely it looks. Linux with glibc.
//
// The offset is the same in every call, so durations are right. Calls that wait until a given time are given the time
// of the real clock.
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>

#include <ctime>

namespace {

constexpr std::time_t kSeconds = 400 * 86400 + 7654;  // no whole number of days, hours or minutes

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool is_shifted(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC ||
         clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME;
}

timespec back(const timespec* time) { return {time->tv_sec - kSeconds, time->tv_nsec}; }

}  // namespace

extern "C" {

#define FASTVEC_VISIBLE __attribute__((visibility("default")))

FASTVEC_VISIBLE int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static const auto next = real<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int failed = next(clock, time);
  if (failed == 0 && is_shifted(clock)) time->tv_sec += kSeconds;
  return failed;
}

FASTVEC_VISIBLE std::time_t time(std::time_t* result) noexcept {
  static const auto next = real<std::time_t (*)(std::time_t*)>("time");
  const std::time_t now = next(nullptr) + kSeconds;
  if (result != nullptr) *result = now;
  return now;
}

FASTVEC_VISIBLE int gettimeofday(timeval* time, void* zone) noexcept {
  static const auto next = real<int (*)(timeval*, void*)>("gettimeofday");
  const int failed = next(time, zone);
  if (failed == 0 && time != nullptr) time->tv_sec += kSeconds;
  return failed;
}

FASTVEC_VISIBLE int timespec_get(timespec* time, int base) noexcept {
  static const auto next = real<int (*)(timespec*, int)>("timespec_get");
  const int found = next(time, base);
  if (found != 0) time->tv_sec += kSeconds;
  return found;
}

FASTVEC_VISIBLE int sem_timedwait(sem_t* semaphore, const timespec* until) {
  static const auto next = real<int (*)(sem_t*, const timespec*)>("sem_timedwait");
  const timespec then = back(until);
  return next(semaphore, &then);
}

FASTVEC_VISIBLE int sem_clockwait(sem_t* semaphore, clockid_t clock, const timespec* until) {
  static const auto next = real<int (*)(sem_t*, clockid_t, const timespec*)>("sem_clockwait");
  const timespec then = back(until);
  return next(semaphore, clock, &then);
}

FASTVEC_VISIBLE int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  static const auto next = real<int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  const timespec then = back(until);
  return next(condition, mutex, &then);
}

FASTVEC_VISIBLE int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                                           const timespec* until) {
  static const auto next =
      real<int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)>("pthread_cond_clockwait");
  const timespec then = back(until);
  return next(condition, mutex, clock, &then);
}

}  // extern "C"
