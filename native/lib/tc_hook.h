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

  /** With `clsact` the older way is taken at once. What is attached so outlives the process, not the device. */
  static Status attach(int program, int device, TcDirection direction, bool clsact, TcHook& hook);

  void detach();
  bool is_tcx() const { return link_.open(); }

 private:
  Descriptor link_;  // tcx: attached as long as it is open
  int device_ = 0;   // clsact
  TcDirection direction_ = TcDirection::in;
};

}  // namespace trellis
