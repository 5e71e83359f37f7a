// How errors of the operating system travel: its number and the call that gave it. Never by text.
#pragma once
#include <cerrno>

namespace trellis {

struct [[nodiscard]] Status {
  int number = 0;
  const char* place = "";
  bool ok() const { return number == 0; }
};

/** The error of the call that has just failed, named by `place`. */
inline Status failed(const char* place) { return {errno, place}; }

}  // namespace trellis
