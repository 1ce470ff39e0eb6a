// What a plug-in's process says is looked at like what strangers say: any octets are a frame or
// none, and a frame says the same when it is written again.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/host/frames.h"

namespace poplar::auth {
namespace {

template <class Frame>
void Check(std::string_view bytes) {
  Frame frame;
  if (!Decode(bytes, frame)) return;
  const StatusOr<base::Secret> written = Encode(frame);
  if (!written.ok()) std::abort();
  Frame again;
  if (!Decode(written->Reveal(), again)) std::abort();
  const StatusOr<base::Secret> twice = Encode(again);
  if (!twice.ok() || twice->Reveal() != written->Reveal()) std::abort();
}

}  // namespace

void CheckAll(std::string_view bytes) {
  Check<LoadFrame>(bytes);
  Check<LoadedFrame>(bytes);
  Check<OpenFrame>(bytes);
  Check<OpenedFrame>(bytes);
  Check<CloseFrame>(bytes);
  Check<LogFrame>(bytes);
  Check<QuestionFrame>(bytes);
  Check<AnswerFrame>(bytes);
}

}  // namespace poplar::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  poplar::auth::CheckAll({reinterpret_cast<const char*>(data), size});
  return 0;
}
