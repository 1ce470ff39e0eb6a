// The files of core/ops/status, as they are built in.

#pragma once

#include <string_view>

namespace poplar::ops {

extern const std::string_view kStatusHtml;
extern const std::string_view kStatusCss;
extern const std::string_view kStatusJs;

}  // namespace poplar::ops
