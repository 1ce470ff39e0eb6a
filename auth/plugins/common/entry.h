// What a plug-in exports, over a class that answers. No exception leaves it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "auth/plugin.h"

namespace poplar::plugins {

// Makes an instance; null: `fault` is a sentence about the settings.
template <typename BackEnd>
using Make = std::unique_ptr<BackEnd> (*)(const poplar_setting* settings, const poplar_host& host,
                                          std::string& fault);

// `BackEnd::Ask(const poplar_question&, poplar_answer*)` is called on several threads at once.
template <typename BackEnd, Make<BackEnd> make>
poplar_plugin PluginOf(const char* name, uint32_t operations) {
  const auto open = [](const poplar_host* host, const poplar_setting* settings, char* fault,
                       size_t fault_bytes) -> void* {
    std::string why;
    try {
      if (std::unique_ptr<BackEnd> made = make(settings, *host, why)) return made.release();
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (fault_bytes > 0) fault[why.copy(fault, fault_bytes - 1)] = '\0';
    return nullptr;
  };
  const auto ask = [](void* instance, const poplar_question* question, poplar_answer* answer) {
    try {
      return static_cast<BackEnd*>(instance)->Ask(*question, answer);
    } catch (const std::exception&) {  // No memory, no thread.
      return POPLAR_TEMPORARY;
    }
  };
  const auto close = [](void* instance) {
    std::unique_ptr<BackEnd>(static_cast<BackEnd*>(instance)).reset();
  };
  return {.version = POPLAR_PLUGIN_VERSION,
          .struct_bytes = sizeof(poplar_plugin),
          .name = name,
          .operations = operations,
          .open = open,
          .ask = ask,
          .close = close};
}

}  // namespace poplar::plugins
