// Who says what tenants are, beside `poplar tenant`: the kinds that sources of tenants begin with,
// as "tenants.d/" of "tenants.d/acme.toml". Pure.

#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace poplar::app {

// Of the files of a folder; empty: there is none.
inline std::string KindOfFiles(const std::string& folder) {
  if (folder.empty()) return "";
  const std::filesystem::path path(folder);
  return (path.has_filename() ? path : path.parent_path()).filename().string() + "/";
}

// Of what a back end tells; empty: none does.
inline std::string KindOfBackend(const std::string& backend) {
  return backend.empty() ? "" : "backend." + backend + "/";
}

// Of one source.
inline std::string KindOfSource(std::string_view source) {
  return std::string(source.substr(0, source.find('/') + 1));
}

}  // namespace poplar::app
