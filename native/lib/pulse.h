// The thread that asks the neighbours whether they live.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "liveness.h"
#include "mailbox.h"
#include "udp.h"

namespace trellis {

class Pulse {
 public:
  Pulse(const Published& published, Mailbox& mailbox, const UdpSocket& socket);
  ~Pulse() { stop(); }

  void start();
  /** Waits for the thread. May be called twice. */
  void stop();

 private:
  void run();

  const Published& published_;
  Liveness liveness_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trellis
