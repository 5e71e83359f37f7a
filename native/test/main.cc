// Runs every test and prints `N passed, N failed`; exit code 1 when one failed.
#include <cstring>

#include "check.h"

int main(int count, char** arguments) {
  using namespace trellis::test;
  int passed = 0, failed = 0;
  for (const Test& test : tests()) {
    if (count > 1 && std::strstr(test.name, arguments[1]) == nullptr) continue;
    const int before = failures();
    test.run();
    const bool good = failures() == before;
    good ? passed++ : failed++;
    std::cout << (good ? "ok   " : "FAIL ") << test.name << "\n";
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
