// What the server and plug-ins' processes may do with files and ports, by the configuration. Pure
// but for looking where links lead to.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/sandbox/landlock.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Of a server that has made its sockets' folders. Files that others replace (certificates, the
// configuration, databases that are put back) are allowed by the folder that they are in.
sandbox::LandlockRules ServerRules(const tenant::Config& config, const std::string& config_path);

// Of the process that runs `plugin`: what looking up names, TLS and shared libraries need, and
// `reads`. It writes nothing. Single files are allowed as they are now: SingleFiles tells which.
sandbox::LandlockRules HostRules(const std::string& plugin, const std::vector<std::string>& reads);
// Of what HostRules allows, what counts no more once another file has taken its place.
std::vector<std::string> SingleFiles(const sandbox::LandlockRules& rules);

// Of the process that starts plug-ins' processes: it runs this program and nothing else, and writes
// nothing. These restrict themselves.
sandbox::LandlockRules LauncherRules();

// What stands behind each plug-in's path on the command line of its process (AuthHostCommand): its
// part in all this. Of all plug-ins that are configured.
std::map<std::string, std::vector<std::string>> HostArguments(const tenant::Config& config);

}  // namespace poplar::app
