// A tc program on a device, in one direction: tcx where the kernel has it (Linux 6.6), else clsact.
#pragma once
#include <string>

#include "descriptor.h"
#include "status.h"

namespace trellis {

enum class TcDirection : uint8_t { in, out };

class TcHook {
 public:
  TcHook() = default;
  TcHook(TcHook&& other) noexcept = default;
  TcHook& operator=(TcHook&& other) noexcept = default;

  /** Goes with the process. EINVAL means that the kernel does not know it. */
  static Status attach_tcx(int program, int device, TcDirection direction, TcHook& hook);

  /** What is attached so outlives the process, until it is detached, replaced by the next start, or the device goes. */
  static Status attach_clsact(int program, int device, TcDirection direction, TcHook& hook);

  /** By tcx where the kernel knows it, unless `clsact` is wanted. */
  static Status attach(int program, int device, TcDirection direction, bool clsact, TcHook& hook);

  /** The queueing discipline goes as well if we made it. */
  void detach();
  bool is_tcx() const { return link_.open(); }

 private:
  Descriptor link_;  // tcx: attached as long as it is open
  int device_ = 0;   // clsact
  TcDirection direction_ = TcDirection::in;
  bool made_qdisc_ = false;
};

}  // namespace trellis
