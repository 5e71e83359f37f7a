// A test is a sentence and a function; a failed check says where and what, and the test goes on.
#pragma once
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

namespace trellis::test {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}

struct Register {
  Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

inline void report(bool good, const char* text, const char* file, int line, const std::string& detail = {}) {
  if (good) return;
  failures()++;
  std::cout << file << ":" << line << ": " << text << (detail.empty() ? "" : ": " + detail) << "\n";
}

/** Reproducible: the same seed gives the same loop (xorshift64*). */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  uint64_t below(uint64_t limit) { return (next() >> 16) % limit; }

 private:
  uint64_t state_;
};

}  // namespace trellis::test

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEST(name)                                                                            \
  static void JOIN(test_, __LINE__)();                                                        \
  static const trellis::test::Register JOIN(register_, __LINE__)(name, JOIN(test_, __LINE__)); \
  static void JOIN(test_, __LINE__)()
#define CHECK(condition) trellis::test::report((condition), #condition, __FILE__, __LINE__)
#define CHECK_CASE(condition, why) trellis::test::report((condition), #condition, __FILE__, __LINE__, why)
