// An answer that comes sooner than a sleeping thread wakes is worth waiting for awake.
#pragma once
#include <algorithm>
#include <cstdint>

namespace trellis {

/**
 * Adaptive busy polling, as the kernel's halt polling for guests: whether a thread that has sent something looks on for an answer instead of
 * sleeping. It does so where the last answers came within `WINDOW`, as they do on a local network, and for at most one part in `SHARE` of
 * the time. Times in ns, never falling.
 */
class BusyPoll {
 public:
  static constexpr int64_t WINDOW = 200'000;  // a thread that sleeps wakes after 5,000 to 100,000 ns
  static constexpr int64_t SHARE = 20;
  static constexpr int64_t CREDIT_MOST = 10'000'000;
  static constexpr int PROVEN = 3;

  /** Something was sent. */
  void sent(int64_t now) {
    settle(now);
    if (waits_) missed();
    waits_ = true;
    sent_ = now;
  }

  /** Something came. */
  void received(int64_t now) {
    settle(now);
    if (!waits_) return;
    waits_ = false;
    if (now - sent_ > WINDOW) return missed();
    hits_ = std::min(hits_ + 1, PROVEN);
  }

  /** There is nothing to do: whether to look again rather than to sleep. */
  bool looks_on(int64_t now) {
    settle(now);
    polling_ = waits_ && hits_ == PROVEN && credit_ > 0 && now - sent_ <= WINDOW;
    return polling_;
  }

 private:
  void missed() { hits_ = 0; }

  void settle(int64_t now) {
    const int64_t since = now - counted_;
    credit_ = std::min(credit_ + since / SHARE, CREDIT_MOST) - (polling_ ? since : 0);
    polling_ = false;
    counted_ = now;
  }

  bool waits_ = false;
  bool polling_ = false;
  int hits_ = 0;
  int64_t sent_ = 0;
  int64_t counted_ = 0;
  int64_t credit_ = 0;
};

}  // namespace trellis
