// What a plug-in exports, over a class that answers. No exception leaves it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "auth/plugin.h"

namespace poplar::plugins {

// Makes an instance; null: `fault` is a sentence about the settings.
template <typename BackEnd>
using Make = std::unique_ptr<BackEnd> (*)(const poplar_setting* settings, const poplar_host& host,
                                          std::string& fault);

// What the host keeps of a back end.
template <typename BackEnd>
struct Instance {
  const poplar_host* host;
  std::unique_ptr<BackEnd> back_end;
};

// `BackEnd::Ask(const poplar_question&, poplar_answer*)` is called on several threads at once.
template <typename BackEnd, Make<BackEnd> make>
poplar_plugin PluginOf(const char* name, uint32_t operations) {
  const auto open = [](const poplar_host* host, const poplar_setting* settings, char* fault,
                       size_t fault_bytes) -> void* {
    std::string why;
    try {
      if (std::unique_ptr<BackEnd> made = make(settings, *host, why)) {
        return new Instance<BackEnd>{.host = host, .back_end = std::move(made)};
      }
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (fault_bytes > 0) fault[why.copy(fault, fault_bytes - 1)] = '\0';
    return nullptr;
  };
  const auto ask = [](void* instance, const poplar_question* question, poplar_answer* answer) {
    const auto* const made = static_cast<const Instance<BackEnd>*>(instance);
    try {
      return made->back_end->Ask(*question, answer);
    } catch (const std::exception& error) {  // No memory, no thread.
      const char* const why = error.what();
      made->host->set(answer, POPLAR_REASON, why, std::strlen(why));
      return POPLAR_TEMPORARY;
    }
  };
  const auto close = [](void* instance) { delete static_cast<Instance<BackEnd>*>(instance); };
  return {.version = POPLAR_PLUGIN_VERSION,
          .struct_bytes = sizeof(poplar_plugin),
          .name = name,
          .operations = operations,
          .open = open,
          .ask = ask,
          .close = close};
}

}  // namespace poplar::plugins
