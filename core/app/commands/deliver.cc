#include "core/app/commands/deliver.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include "core/app/lmtp_delivery.h"
#include "core/base/limits.h"

namespace poplar::app {
namespace {

// What may stand between < and > on a command line. Whether it is anybody's the server knows.
bool CanBeSent(std::string_view address) {
  return address.size() <= kAddressBytesMax && std::ranges::all_of(address, [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte > 0x20 && byte != 0x7F && c != '<' && c != '>';
         });
}

ExitCode CodeOf(const RecipientResult& result) {
  if (result.code / 100 == 4) return ExitCode::kTemporary;
  const std::string_view text = result.text;
  // RFC 3463: 5.1.x speaks of the address (5.1.7 and 5.1.8 of the sender's; 5.1.3: it is
  // none), 5.3.4 and 5.2.3 of the message's size.
  for (const std::string_view wrong : {"5.1.3", "5.1.7", "5.1.8"}) {
    if (text.starts_with(wrong)) return ExitCode::kUsage;
  }
  if (text.starts_with("5.3.4") || text.starts_with("5.2.3")) return ExitCode::kDataError;
  if (result.code == 550 || text.starts_with("5.1.")) return ExitCode::kNoUser;
  if (result.code == 552 && !text.starts_with("5.2.2")) return ExitCode::kDataError;
  return ExitCode::kUnavailable;
}

ExitCode Worst(const std::vector<RecipientResult>& results) {
  constexpr ExitCode kOrder[] = {ExitCode::kTemporary, ExitCode::kUsage, ExitCode::kNoUser,
                                 ExitCode::kDataError, ExitCode::kUnavailable};
  for (const ExitCode code : kOrder)
    if (std::ranges::any_of(results, [code](const RecipientResult& result) {
          return !result.delivered() && CodeOf(result) == code;
        }))
      return code;
  return ExitCode::kOk;
}

}  // namespace

ExitCode Deliver(const DeliverOptions& options, const tenant::Config& config, Console& console) {
  for (const std::string& address : options.recipients)
    if (address.empty() || !CanBeSent(address))
      return Fail(console, ExitCode::kUsage, "\"" + address + "\" is no address");
  if (!CanBeSent(options.from))
    return Fail(console, ExitCode::kUsage, "\"" + options.from + "\" is no address");
  // The rest would be told to come again, and so would those come again who have it already.
  if (options.recipients.size() > config.lmtp.recipients_max)
    return Fail(console, ExitCode::kUsage,
                std::to_string(options.recipients.size()) +
                    " recipients are more than one message may have (lmtp.recipients_max = " +
                    std::to_string(config.lmtp.recipients_max) + "); name them in parts");
  if (config.lmtp.socket.empty() && config.lmtp.listen.empty())
    return Fail(console, ExitCode::kConfig,
                "the configuration has no LMTP listener; write lmtp.socket or lmtp.listen");
  if (console.in.peek() == std::istream::traits_type::eof())
    return Fail(console, ExitCode::kNoInput, "there is no message on standard input");

  LmtpDelivery delivery{.server = UnixSocketPath{config.lmtp.socket},
                        .from = options.from,
                        .recipients = options.recipients,
                        .message = console.in};
  if (config.lmtp.socket.empty()) delivery.server = config.lmtp.listen.front();
  const auto results = DeliverByLmtp(delivery);
  if (!results.ok()) {
    const bool input_broke = results.status().code() == StatusCode::kDataLoss;
    // An MTA that calls this must keep the mail and come again, whatever the trouble is.
    return Fail(console, input_broke ? ExitCode::kNoInput : ExitCode::kTemporary,
                Message(results.status()));
  }
  for (const RecipientResult& result : *results) {
    if (result.delivered())
      console.out << result.recipient << ": delivered\n";
    else
      console.err << "poplar: " << result.recipient << ": " << result.code << ' ' << result.text
                  << '\n';
  }
  return Worst(*results);
}

}  // namespace poplar::app
