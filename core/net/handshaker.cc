#include "core/net/handshaker.h"

#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace poplar::net {
namespace {

// A TLS record (RFC 8446 §5.1): its type, a version, its length.
constexpr size_t kRecordHeaderBytes = 5;
constexpr char kHandshakeRecord = 22;
constexpr char kMajorVersion = 3;
// Beyond so much of a hello, OpenSSL shall look at it: the receiver keeps no more than a backlog.
constexpr size_t kHelloHeldBytesMax = kBacklogBytesMax / 2;

// All of the first record, or enough of something else, which OpenSSL knows how to refuse.
bool IsWholeHello(std::string_view input) {
  if (input.empty()) return false;
  if (input[0] != kHandshakeRecord || (input.size() > 1 && input[1] != kMajorVersion)) return true;
  if (input.size() < kRecordHeaderBytes) return false;
  const size_t length = static_cast<uint8_t>(input[3]) << 8 | static_cast<uint8_t>(input[4]);
  return input.size() >= std::min(kRecordHeaderBytes + length, kHelloHeldBytesMax);
}

}  // namespace

void Handshaker::Start(std::shared_ptr<const TlsContext> context, TlsStart start,
                       base::ByteBuffer& output) {
  POP_CHECK(!under_way_ && !session_);
  context_ = std::move(context);
  output_ = &output;
  upgrade_ = start == TlsStart::kUpgrade;
  under_way_ = true;
  started_us_ = reactor_.now_us();
  Step();
}

void Handshaker::OnInput() {
  if (!poll_op_.in_flight() && !certificate_wait_.waiting()) Step();
}

void Handshaker::Abort(StreamEnd why) {
  if (!under_way_) return;
  abort_ = why;
  certificate_wait_.Cancel();
  poll_op_.in_flight() ? reactor_.Cancel(poll_op_) : End(why);
}

void Handshaker::Step() {
  if (abort_ != StreamEnd::kNone) return End(abort_);
  if (!session_ && !MakeSession()) return;
  Shake();
}

// False: it waits or has ended.
bool Handshaker::MakeSession() {
  if (upgrade_ && !SendInClear()) return false;
  upgrade_ = false;
  // What OpenSSL keeps of a connection is ten times all the rest: it is not for who never speaks,
  // nor for who stops in the middle of the first word.
  if (!HelloIsHere()) {
    receiver_.end() == StreamEnd::kNone ? receiver_.Want() : End(receiver_.end());
    return false;
  }
  session_ = std::make_unique<TlsSession>(std::move(context_), wire_.fd(), receiver_);
  wire_.set_tls(*session_);
  return true;
}

bool Handshaker::HelloIsHere() {
  if (IsWholeHello(receiver_.input())) return true;
  receiver_.Gather();
  return IsWholeHello(receiver_.input());
}

// False: it waits or has ended.
bool Handshaker::SendInClear() {
  receiver_.Discard();
  size_t sent = 0;
  const WireStep step = wire_.Write(output_->view(), /*more=*/false, sent);
  output_->Consume(sent);
  if (step == WireStep::kDone) return true;
  step == WireStep::kBlocked ? WaitWritable() : End(StreamEnd::kPeerReset);
  return false;
}

void Handshaker::Shake() {
  switch (session_->Handshake()) {
    case TlsStep::kDone:
      CountSuccess();
      return End(StreamEnd::kNone);
    case TlsStep::kWantInput:
      if (receiver_.end() != StreamEnd::kNone) return End(receiver_.end());
      return receiver_.Want();
    case TlsStep::kWantOutput:
      return WaitWritable();
    case TlsStep::kWantCertificate:
      return ChooseCertificate() ? Shake() : void();
    case TlsStep::kPeerClosed:
      return End(StreamEnd::kPeerClosed);
    case TlsStep::kFailed:
      return End(StreamEnd::kTlsFailed);
  }
}

// False: it waits or has ended.
bool Handshaker::ChooseCertificate() {
  const std::string& host = session_->server_name();
  std::optional<CertificateStore::Certificates> known = CertificateStore::Certificates();
  if (certificates_ != nullptr) known = certificates_->Find(host);
  if (known) {
    TakeCertificate(*known);
    return true;
  }
  if (!certificates_->Look(host, certificate_wait_)) {
    metrics_.server_names_refused.Add();
    End(StreamEnd::kTlsFailed);
  }
  return false;
}

void Handshaker::TakeCertificate(const CertificateStore::Certificates& certificates) {
  (certificates != nullptr ? metrics_.server_names_own : metrics_.server_names_default).Add();
  session_->ShowCertificates(certificates);
}

void Handshaker::WaitWritable() { reactor_.Poll(poll_op_, wire_.fd(), POLLOUT); }

void Handshaker::OnWritable(int32_t, uint32_t) { Step(); }

void Handshaker::CountSuccess() {
  (session_->version() == TLS1_3_VERSION ? metrics_.handshakes_tls13 : metrics_.handshakes_tls12)
      .Add();
  if (session_->resumed()) metrics_.handshakes_resumed.Add();
  if (session_->kernel_sends()) metrics_.handshakes_kernel_tls.Add();
}

void Handshaker::End(StreamEnd end) {
  under_way_ = false;
  if (end == StreamEnd::kTlsFailed) {
    (session_->failed_by_alpn() ? metrics_.handshakes_alpn_refused : metrics_.handshakes_failed)
        .Add();
  } else if (end != StreamEnd::kNone) {
    metrics_.handshakes_cut.Add();
  }
  metrics_.handshake_us.Observe(reactor_.now_us() - started_us_);
  on_end_(owner_, end);
}

}  // namespace poplar::net
