// How soon the calling thread runs once it has something to do.
#pragma once
#include <sched.h>
#include <sys/resource.h>

namespace trellis {

/**
 * For a thread that sleeps nearly always: raised, it runs at once when it is woken. Real-time where the system allows it, else far up
 * among the others, else nothing changes. It lowers itself when it has been busy for a while: then it is like any other.
 */
class Urgency {
 public:
  void raise() {
    if (raised_) return;
    raised_ = true;
    sched_param priority{};
    priority.sched_priority = 1;
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &priority) != 0) setpriority(PRIO_PROCESS, 0, NICE);
  }

  /** The thread stays on this CPU until it roams or is lowered; it goes on as it was where the system does not let it. */
  void stay(int cpu) {
    if (!stays_ && sched_getaffinity(0, sizeof anywhere_, &anywhere_) != 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(cpu), &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) stays_ = true;
  }

  /** It may run where it likes again. */
  void roam() {
    if (stays_) sched_setaffinity(0, sizeof anywhere_, &anywhere_);
    stays_ = false;
  }

  void lower() {
    roam();
    if (!raised_) return;
    raised_ = false;
    const sched_param none{};
    sched_setscheduler(0, SCHED_OTHER, &none);
    setpriority(PRIO_PROCESS, 0, 0);
  }

 private:
  static constexpr int NICE = -15;
  bool raised_ = false;
  bool stays_ = false;
  cpu_set_t anywhere_;
};

}  // namespace trellis
