// The thread that asks the neighbours whether they live.
#pragma once
#include <atomic>
#include <thread>

#include "liveness.h"
#include "mailbox.h"
#include "udp.h"
#include "uplinks.h"

namespace trellis {

class Pulse {
 public:
  /** Hears of carriers too, where there are `uplinks`. */
  Pulse(const Published& published, Mailbox& mailbox, const UdpSocket& socket, std::shared_ptr<Uplinks> uplinks);
  ~Pulse() { stop(); }

  Status start();
  /** Waits for the thread. May be called twice. */
  void stop();

 private:
  void run();
  void wait(uint64_t until);
  void hear(uint64_t now);

  const Published& published_;
  Mailbox& mailbox_;
  Liveness liveness_;
  const std::shared_ptr<Uplinks> uplinks_;
  std::shared_ptr<const Tables> tables_;
  uint64_t version_ = 0;
  bool changed_ = false;    // interfaces or routes have, and nobody was told yet
  uint64_t next_told_ = 0;
  Descriptor wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace trellis
