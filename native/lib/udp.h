// The underlay socket of one worker: dual-stack, segmentation offload in both directions, fallbacks where it is missing.
#pragma once
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "batch.h"
#include "descriptor.h"
#include "status.h"

namespace trellis {

/** One datagram, or several of `segment` bytes each (the last may be shorter) that the kernel joined. */
struct Received {
  uint8_t* data;
  size_t size;
  size_t segment;
  Endpoint from;
  in6_addr to;  // ours; unspecified when it is not known
  uint32_t device;  // that it came in by; 0 when it is not known
};

/** Buffers for one recvmmsg. */
class ReceiveRing {
 public:
  ReceiveRing();

  /** Whether the last call asked for no more than these, so that there may be others. */
  bool was_full(int messages) const { return static_cast<size_t>(messages) == asked_; }

 private:
  friend class UdpSocket;
  static constexpr size_t MAX_MESSAGES = 64;
  static constexpr size_t FEW_MESSAGES = 4;  // enough when each holds up to 64 datagrams, and it stays in the cache
  static constexpr size_t BUFFER = 65536;
  static constexpr size_t STRIDE = BUFFER + 4096 + 192;  // not a power of two: the starts would share cache sets
  static constexpr size_t CONTROL = 128;

  std::unique_ptr<uint8_t[]> buffers_;
  size_t wanted_ = FEW_MESSAGES;
  size_t asked_ = 0;  // by the last call
  std::array<mmsghdr, MAX_MESSAGES> headers_{};
  std::array<iovec, MAX_MESSAGES> pieces_;
  std::array<sockaddr_storage, MAX_MESSAGES> names_;
  alignas(cmsghdr) std::array<std::array<uint8_t, CONTROL>, MAX_MESSAGES> controls_;
};

class UdpSocket {
 public:
  /**
   * Binds `port` (0: the kernel chooses) on all addresses, or on those of `interface` unless empty. The first socket of a
   * tunnel must have the port to itself; the others join it.
   */
  Status open(uint16_t port, const std::string& interface, bool join);

  /** Lets further sockets of this user share the port; the kernel spreads sources over them. */
  Status share();

  /** Marks what it sends as sparse flows' (DSCP NQB), which networks between may prefer, too. */
  Status mark_sparse();

  /** Binds it again to this interface, which may be another of the same name than before. */
  Status rebind(const std::string& interface) const;

  int descriptor() const { return fd_.get(); }
  uint16_t port() const { return port_; }

  /** Sends everything in `batch` and gives the number of frames that could not be sent. For the socket's worker only. */
  size_t send(const Batch& batch);

  /** Sends one datagram; false when it could not be sent. Thread-safe. */
  bool send(const Endpoint& to, const uint8_t* data, size_t size) const;

  /** The same as network control (RFC 4594): nothing joins it with datagrams of another class on its way. */
  bool send_urgent(const Endpoint& to, const uint8_t* data, size_t size) const;

  /** Receives without waiting; calls `take(Received&)` for each message. Gives the number of messages. */
  template <typename Take>
  int receive(ReceiveRing& ring, Take take) {
    const int count = fill(ring);
    for (int i = 0; i < count; i++) {
      Received message;
      if (read(ring, i, message)) take(message);
    }
    return count;
  }

 private:
  int fill(ReceiveRing& ring);
  bool read(ReceiveRing& ring, int index, Received& message) const;
  size_t send_bursts(const Batch& batch, size_t first, size_t count, size_t& failed);
  size_t send_singly(const uint8_t* data, const Burst& burst) const;

  Descriptor fd_;
  int family_ = AF_INET6;
  uint16_t port_ = 0;
  bool segments_ = true;  // the path takes UDP_SEGMENT
};

}  // namespace trellis
