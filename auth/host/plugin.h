// A loaded plug-in and its instances. For the process of an auth host; any thread, where nothing
// else is said.

#pragma once

#include <memory>
#include <string>

#include "auth/host/frames.h"
#include "auth/plugin.h"
#include "core/base/status.h"

namespace poplar::auth {

// Where an instance's own lines for the log go; called on any thread.
using PluginLog = void (*)(poplar_level level, const char* sentence);

class Plugin {
 public:
  // Loads the shared object. kInvalidArgument with a sentence: it is not there, cannot be loaded,
  // has no `poplar_plugin_entry`, or is of another version. One that was loaded stays for good.
  // `calls_max`: what poplar_host says of it.
  static StatusOr<std::unique_ptr<Plugin>> Load(const std::string& path, PluginLog log,
                                                uint32_t calls_max);

  std::string name() const { return plugin_->name; }
  uint32_t operations() const { return plugin_->operations; }

  // kInvalidArgument: what the plug-in says is wrong with the settings. One thread at a time.
  StatusOr<void*> Open(const PluginSettings& settings) const;
  // What the plug-in answers; an answer that breaks its rules is made a temporary one that says so.
  AnswerFrame Ask(void* instance, const QuestionFrame& question) const;
  void Close(void* instance) const { plugin_->close(instance); }

 private:
  Plugin(const poplar_plugin* plugin, PluginLog log, uint32_t calls_max);

  const poplar_plugin* const plugin_;
  const poplar_host host_;
};

}  // namespace poplar::auth
