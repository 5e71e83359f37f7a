#include "busy_poll.h"

#include "check.h"

namespace trellis::test {
namespace {

constexpr int64_t US = 1000, MS = 1000 * US, S = 1000 * MS;

/** A question at `now` that is answered `after` it, ns; how long the thread looked on, in steps of a microsecond. */
int64_t exchange(BusyPoll& poll, int64_t now, int64_t after) {
  poll.sent(now);
  int64_t at = now;
  while (at < now + after && poll.looks_on(at)) at += US;
  poll.received(now + after);
  return at - now;
}

}  // namespace

TEST("a thread looks on where answers came soon, and not before") {
  BusyPoll poll;
  for (int i = 0; i < BusyPoll::PROVEN; i++) CHECK(exchange(poll, S + i * MS, 100 * US) == 0);
  CHECK(exchange(poll, 2 * S, 100 * US) == 100 * US);
}

TEST("one late answer ends it, and it has to be earned again") {
  BusyPoll poll;
  for (int i = 0; i < BusyPoll::PROVEN; i++) exchange(poll, S + i * MS, 100 * US);
  const int64_t looked = exchange(poll, 2 * S, 10 * MS);
  CHECK(looked > 0 && looked <= BusyPoll::WINDOW + US);
  for (int i = 0; i < BusyPoll::PROVEN; i++) CHECK(exchange(poll, 3 * S + i * MS, 100 * US) == 0);
  CHECK(exchange(poll, 4 * S, 100 * US) == 100 * US);
}

TEST("a question that nobody answers is a late answer") {
  BusyPoll poll;
  for (int i = 0; i < BusyPoll::PROVEN; i++) exchange(poll, S + i * MS, 100 * US);
  poll.sent(2 * S);
  CHECK(exchange(poll, 2 * S + 10 * MS, 100 * US) == 0);
}

TEST("what comes unasked proves nothing") {
  BusyPoll poll;
  for (int i = 0; i < 100; i++) poll.received(S + i * MS);
  CHECK(!poll.looks_on(2 * S));
}

TEST("it costs a twentieth of the time at most, however many questions there are") {
  BusyPoll poll;
  int64_t looked = 0;
  for (int64_t now = S; now < 11 * S; now += MS) looked += exchange(poll, now, 150 * US);
  CHECK(looked > 10 * S / BusyPoll::SHARE * 9 / 10);
  CHECK(looked <= 10 * S / BusyPoll::SHARE + BusyPoll::CREDIT_MOST + 150 * US);
}

}  // namespace trellis::test
