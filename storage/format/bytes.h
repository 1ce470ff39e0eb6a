// Little-endian numbers in byte runs, as all of the store's files hold them, and big-endian ones
// for keys that must sort. Any thread.

#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

namespace poplar::storage {

static_assert(std::endian::native == std::endian::little);

template <class Number>
Number LoadLe(const char* at) {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return number;
}

template <class Number>
void StoreLe(char* at, Number number) {
  std::memcpy(at, &number, sizeof number);
}

inline void AppendBe64(std::string& to, uint64_t number) {
  number = __builtin_bswap64(number);
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

inline void AppendBe32(std::string& to, uint32_t number) {
  number = __builtin_bswap32(number);
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

inline uint64_t LoadBe64(const char* at) { return __builtin_bswap64(LoadLe<uint64_t>(at)); }
inline uint32_t LoadBe32(const char* at) { return __builtin_bswap32(LoadLe<uint32_t>(at)); }

}  // namespace poplar::storage
