// Checked conversions between JavaScript and C++. A failed conversion leaves a pending TypeError and returns nothing;
// a failed system call becomes an Error with `code` (ENOENT, ...), `errno` and `syscall`, as node's own errors have.
#pragma once

#include <node_api.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "status.h"

namespace trellis::convert {

inline napi_value undefined(napi_env env) {
  napi_value value;
  napi_get_undefined(env, &value);
  return value;
}

inline napi_value to_js(napi_env env, bool value) {
  napi_value out;
  napi_get_boolean(env, value, &out);
  return out;
}

inline napi_value to_js(napi_env env, double value) {
  napi_value out;
  napi_create_double(env, value, &out);
  return out;
}

inline napi_value to_js(napi_env env, std::string_view value) {
  napi_value out;
  napi_create_string_utf8(env, value.data(), value.size(), &out);
  return out;
}

inline void set(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

inline void set(napi_env env, napi_value object, const char* name, bool value) {
  set(env, object, name, to_js(env, value));
}

inline void set(napi_env env, napi_value object, const char* name, double value) {
  set(env, object, name, to_js(env, value));
}

inline void set(napi_env env, napi_value object, const char* name, std::string_view value) {
  set(env, object, name, to_js(env, value));
}

/** A literal is text; without this overload it would become a boolean. */
inline void set(napi_env env, napi_value object, const char* name, const char* value) {
  set(env, object, name, std::string_view(value));
}

inline napi_value object(napi_env env) {
  napi_value out;
  napi_create_object(env, &out);
  return out;
}

/** Adds a function to an object. */
inline void method(napi_env env, napi_value object, const char* name, napi_callback callback, void* data = nullptr) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) == napi_ok)
    set(env, object, name, function);
}

inline std::nullopt_t refuse(napi_env env, const char* what, const char* wanted) {
  std::string message = std::string(what) + " takes " + wanted;
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message.c_str());
  return std::nullopt;
}

/** Arguments of a call, at most `N`; missing ones are undefined. */
template <size_t N> struct Arguments {
  napi_value at[N];
  napi_value self;
  void* data;

  Arguments(napi_env env, napi_callback_info info) {
    size_t count = N;
    napi_get_cb_info(env, info, &count, at, &self, &data);
  }
  napi_value operator[](size_t i) const { return at[i]; }
};

inline std::optional<std::string> string(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok)
    return refuse(env, what, "a string");
  std::string out(length, '\0');
  napi_get_value_string_utf8(env, value, out.data(), length + 1, &length);
  if (out.find('\0') != std::string::npos)
    return refuse(env, what, "a string without NUL");
  return out;
}

/** A whole number from `low` to `high`. */
inline std::optional<int64_t> integer(napi_env env, napi_value value, int64_t low, int64_t high, const char* what) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= double(low) && number <= double(high)) ||
      double(int64_t(number)) != number) {
    std::string wanted = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
    return refuse(env, what, wanted.c_str());
  }
  return int64_t(number);
}

/** Bytes of a Uint8Array (or Buffer): a view, valid until JavaScript runs again. */
inline std::optional<std::span<uint8_t>> bytes(napi_env env, napi_value value, const char* what) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array)
    return refuse(env, what, "a Uint8Array");
  return std::span<uint8_t>(static_cast<uint8_t *>(data), length);
}

/** Own property of an options object; undefined when absent. */
inline napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value out;
  if (napi_get_named_property(env, object, name, &out) != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending)
      refuse(env, name, "an options object");
    return undefined(env);
  }
  return out;
}

inline bool is_undefined(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined;
}

inline napi_value numbers(napi_env env, std::span<const uint64_t> values) {
  napi_value out;
  napi_create_array_with_length(env, values.size(), &out);
  for (uint32_t i = 0; i < values.size(); i++) napi_set_element(env, out, i, to_js(env, double(values[i])));
  return out;
}

/** A Uint8Array of its own memory. */
inline napi_value copy_bytes(napi_env env, std::span<const uint8_t> data) {
  void* memory = nullptr;
  napi_value buffer, out;
  napi_create_arraybuffer(env, data.size(), &memory, &buffer);
  if (!data.empty())
    memcpy(memory, data.data(), data.size());
  napi_create_typedarray(env, napi_uint8_array, data.size(), buffer, 0, &out);
  return out;
}

/** Throws an Error for a failed system call; `detail` is further text for the person, such as the verifier's log. */
inline napi_value throw_status(napi_env env, const Status& status, std::string_view detail = {}) {
  const int number = status.number;
  const std::string_view where = status.place;
  const char* name = strerrorname_np(number);
  std::string message = std::string(name ? name : "EUNKNOWN") + ": " + strerror(number) + ", " + std::string(where);
  if (!detail.empty())
    message += ": " + std::string(detail);
  napi_value error;
  napi_create_error(env, to_js(env, std::string_view(name ? name : "EUNKNOWN")), to_js(env, message), &error);
  set(env, error, "errno", double(number));
  set(env, error, "syscall", where);
  napi_throw(env, error);
  return nullptr;
}

}  // namespace trellis::convert
