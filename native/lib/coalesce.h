// Joins consecutive packets of a TCP or UDP flow into superpackets before they are written to the TUN device.
#pragma once
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "ip.h"
#include "vnet.h"

namespace trellis {

/** Takes whole packets: a vnet header, then the pieces of the packet. */
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(const iovec* pieces, int count, size_t packets) = 0;
};

/** Not thread-safe. Packets are kept by reference until `flush`: their memory must stay until then. */
class Coalescer {
 public:
  /** `udp` tells whether the device takes UDP superpackets. */
  Coalescer(Sink& sink, bool udp) : sink_(sink), udp_(udp) {}

  /**
   * Takes a packet for which `valid_ip` holds; may change its headers. `partial` says that its transport checksum holds
   * the pseudo-header sum only. False when that cannot be, and then the packet is not taken. Order within a flow is kept.
   */
  bool add(uint8_t* packet, size_t size, bool partial);

  /** Writes all that is held. */
  void flush();

 private:
  static constexpr size_t MAX_SEGMENTS = 64;  // UDP_MAX_SEGMENTS of the oldest kernel; a GRO message holds no more either
  static constexpr size_t MAX_RUNS = 8;

  struct Run {
    uint8_t* packet;
    Transport transport;
    size_t header;
    size_t segment;  // payload bytes of every packet but the last
    size_t size;     // of the superpacket so far
    uint32_t next_sequence;
    int count;
    bool partial;
    iovec pieces[MAX_SEGMENTS + 1];
  };

  Run* find(const uint8_t* packet, const Transport& transport);
  void begin(uint8_t* packet, size_t size, const Transport& transport, bool partial);
  bool append(Run& run, uint8_t* packet, size_t size, const Transport& transport);
  void write(Run& run);
  void write_single(uint8_t* packet, size_t size, const Transport* partial);
  void remove(Run& run);

  Sink& sink_;
  bool udp_;
  size_t used_ = 0;
  std::array<Run, MAX_RUNS> runs_;
};

}  // namespace trellis
