// One queue of a TUN device with virtio-net headers and offloads.
#pragma once
#include <sys/uio.h>

#include <string>

#include "descriptor.h"
#include "status.h"
#include "vnet.h"

namespace trellis {

class TunQueue {
 public:
  /**
   * Opens a queue of `name`; may hold `%d`, and is then set to the name the kernel chose. The first queue creates the device
   * and fails with EBUSY if there is one already; the others join. The device goes with its last queue.
   */
  Status open(std::string& name, bool join);

  int descriptor() const { return fd_.get(); }
  bool is_open() const { return fd_.open(); }
  /** Its interface's number; 0 when it is not open. */
  uint32_t device() const { return device_; }

  /** Whether the device hands out and takes UDP superpackets (6.2 and later). */
  bool takes_udp() const { return takes_udp_; }

  /** Reads one packet without waiting: its length without the vnet header, 0 when there is none, -1 with errno. */
  ssize_t read(VnetHeader& vnet, uint8_t* packet, size_t room) const;

  /** Writes one packet, vnet header first; false with errno when the device refuses it. */
  bool write(const iovec* pieces, int count) const { return writev(fd_.get(), pieces, count) >= 0; }

 private:
  Descriptor fd_;
  uint32_t device_ = 0;
  bool takes_udp_ = false;
};

}  // namespace trellis
