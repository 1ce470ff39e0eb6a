// The same maildrop on two servers, side by side.

#pragma once

#include "core/app/transfer/pop3_client.h"
#include "core/app/transfer/report.h"

namespace poplar::app {

// What the lists say; pure.
Comparison CompareLists(const std::vector<Pop3Message>& theirs,
                        const std::vector<Pop3Message>& ours);

// Lists both, which are logged in, and ends both sessions.
StatusOr<Comparison> CompareMaildrops(Pop3Client& theirs, Pop3Client& ours);

}  // namespace poplar::app
