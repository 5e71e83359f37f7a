// One thread that owns a TUN queue and a socket, in both directions.
#pragma once
#include <atomic>
#include <thread>

#include "busy_poll.h"
#include "inbound.h"
#include "mapped_words.h"
#include "nearness.h"
#include "outbound.h"
#include "relay.h"
#include "tun.h"
#include "udp.h"
#include "urgency.h"

namespace trellis {

class Worker final : private Sink {
 public:
  /** `tun` may be closed: then the worker serves the socket only. One for `sparse` flows runs as soon as there is something to do. */
  Worker(size_t index, bool sparse, UdpSocket socket, TunQueue tun, const Published& published, Waiting& waiting, Mailbox& mailbox);
  ~Worker() override { join(); }

  Status start();

  /** Before the start: it sleeps on the CPU that wakes it, which is one of these (`Steering::cpus`). */
  void follow(MappedWords cpus) { wakers_ = std::move(cpus); }

  /** Makes the thread look again: at new tables, or at the wish to stop. */
  void wake();
  void stop();
  void join();

  bool sparse() const { return sparse_; }
  const Counters& counters() const { return counters_; }
  UdpSocket& socket() { return socket_; }
  const TunQueue& tun() const { return tun_; }

 private:
  /** What one direction did when it had its turn. */
  struct Turn {
    bool moved;    // something
    bool drained;  // and left nothing
  };

  void run();
  void took(bool received, bool sent);
  void wait();
  void nap();
  void draw_near(bool arrived, bool leaves, int64_t since, int64_t now);
  Turn send_turn(uint64_t releases);
  Turn receive_turn();
  void take(const Received& message);
  bool refused_packet();
  void answer(uint8_t* packet, size_t size);
  void write(const iovec* pieces, int count, size_t packets) override;

  UdpSocket socket_;
  TunQueue tun_;
  const Published& published_;
  Waiting& waiting_;
  Counters counters_;
  Relay relay_;
  Inbound inbound_;
  Outbound outbound_;
  ReceiveRing ring_;
  std::unique_ptr<uint8_t[]> packet_;

  std::shared_ptr<const Tables> tables_;
  uint64_t version_ = 0;
  const size_t index_;
  bool device_;  // the TUN queue still answers
  const bool sparse_;
  Urgency urgency_;
  BusyPoll poll_;
  Nearness nearness_;
  MappedWords wakers_;
  int busy_ = 0;        // turns since it slept
  bool burst_ = false;  // what came last came in numbers
  bool quiet_ = false;  // the poll says that nothing has arrived

  Descriptor wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace trellis
