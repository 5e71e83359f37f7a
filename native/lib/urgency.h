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

  void lower() {
    if (!raised_) return;
    raised_ = false;
    const sched_param none{};
    sched_setscheduler(0, SCHED_OTHER, &none);
    setpriority(PRIO_PROCESS, 0, 0);
  }

 private:
  static constexpr int NICE = -15;
  bool raised_ = false;
};

}  // namespace trellis
