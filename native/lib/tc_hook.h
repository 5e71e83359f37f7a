// A tc program on a device, in one direction: tcx where the kernel has it (Linux 6.6), else clsact.
#pragma once
#include <string>

#include "descriptor.h"
#include "status.h"

namespace trellis {

/** Of our clsact filters. */
constexpr uint32_t TC_PRIORITY = 0x7472;

enum class TcDirection : uint8_t { in, out };

class TcHook {
 public:
  TcHook() = default;
  TcHook(TcHook&& other) noexcept = default;
  TcHook& operator=(TcHook&& other) noexcept = default;

  /** Goes with the process. EINVAL means that the kernel does not know it. */
  static Status attach_tcx(int program, int device, TcDirection direction, TcHook& hook);

  /** What is attached so outlives the process, until it is detached, another takes its `handle`, or the device goes. */
  static Status attach_clsact(int program, int device, TcDirection direction, TcHook& hook, uint32_t handle = 1);

  /** Takes away what a process that is gone has attached to clsact, wherever its program is; whether it was there. */
  static bool remove_clsact(int device, TcDirection direction, uint32_t program);

  /** By tcx where the kernel knows it, unless `clsact` is wanted. */
  static Status attach(int program, int device, TcDirection direction, bool clsact, TcHook& hook);

  /** The queueing discipline goes as well if we made it and nobody else has attached anything. */
  void detach();
  bool is_tcx() const { return link_.open(); }

 private:
  Descriptor link_;  // tcx: attached as long as it is open
  int device_ = 0;   // clsact
  TcDirection direction_ = TcDirection::in;
  uint32_t handle_ = 0;
  bool made_qdisc_ = false;
};

}  // namespace trellis
