#include "storage/env/env.h"

namespace poplar::storage {

StatusOr<std::string> ReadWholeFile(Env& env, const std::string& path, uint64_t bytes_max) {
  POP_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env.OpenToRead(path));
  POP_ASSIGN_OR_RETURN(const uint64_t bytes, file->Bytes());
  if (bytes > bytes_max) return MakeStatus(StatusCode::kDataLoss, path + ": longer than it may be");
  std::string content(bytes, '\0');
  POP_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(content, 0));
  content.resize(got);
  return content;
}

Status ReplaceFile(Env& env, const std::string& directory, const std::string& name,
                   std::string_view bytes) {
  const std::string temporary = directory + "/" + name + ".tmp";
  {
    POP_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env.CreateFile(temporary));
    POP_RETURN_IF_ERROR(file->WriteAt(bytes, 0));
    POP_RETURN_IF_ERROR(file->SyncData());
  }
  POP_RETURN_IF_ERROR(env.Rename(temporary, directory + "/" + name));
  return env.SyncDirectory(directory);
}

Status RemoveTree(Env& env, const std::string& directory) {
  const auto names = env.List(directory);
  if (names.status().code() == StatusCode::kNotFound) return OkStatus();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    // What is no file is a directory: there is nothing else in a store.
    if (env.Unlink(path).ok()) continue;
    POP_RETURN_IF_ERROR(RemoveTree(env, path));
  }
  return env.RemoveDirectory(directory);
}

}  // namespace poplar::storage
