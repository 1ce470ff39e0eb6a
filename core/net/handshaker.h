// Takes a stream into TLS: from its first byte (implicit TLS), or at a command (STLS, RFC 2595 §4).
//
// For the latter, everything that came in clear until the command's reply was handed to the kernel
// is dropped, so that nothing injected before the handshake counts as said inside TLS.
//
// A client that asks for a host gets that host's certificate, if the desk has one; a desk that
// cannot look for it now ends the handshake, as a client that is shown another name asks its user.
//
// Lives on its stream's shard. One handshake a stream.

#pragma once

#include <cstdint>
#include <memory>

#include "core/base/byte_buffer.h"
#include "core/io/op.h"
#include "core/io/reactor.h"
#include "core/net/buffer_sender.h"
#include "core/net/certificate_desk.h"
#include "core/net/net_metrics.h"
#include "core/net/receiver.h"
#include "core/net/stream_end.h"
#include "core/net/tls_context.h"
#include "core/net/tls_session.h"
#include "core/net/wire.h"

namespace poplar::net {

enum class TlsStart : uint8_t {
  kImplicit,  // Nothing was said yet.
  kUpgrade,   // The output is sent in clear, all input up to there is dropped.
};

class Handshaker {
 public:
  // `certificates` may be null: the context's is for all.
  Handshaker(io::Reactor& reactor, Receiver& receiver, Wire& wire, NetMetrics& metrics,
             CertificateDesk* certificates, void* owner, SendEndHandler on_end)
      : reactor_(reactor),
        receiver_(receiver),
        wire_(wire),
        metrics_(metrics),
        certificates_(certificates),
        owner_(owner),
        on_end_(on_end),
        certificate_wait_(this, [](void* self, const CertificateStore::Certificates& found) {
          static_cast<Handshaker*>(self)->TakeCertificate(found);
          static_cast<Handshaker*>(self)->Shake();
        }) {}

  // Makes the session and shakes hands with it. `output` stays until the end is told (maybe at
  // once): kNone, or what kept it from coming about.
  void Start(std::shared_ptr<const TlsContext> context, TlsStart start, base::ByteBuffer& output);
  // The receiver has news.
  void OnInput();
  void Abort(StreamEnd why);

  // Null until the client's first record is here.
  TlsSession* session() const { return session_.get(); }

 private:
  void Step();
  bool MakeSession();
  bool HelloIsHere();
  bool SendInClear();
  void Shake();
  bool ChooseCertificate();
  void TakeCertificate(const CertificateStore::Certificates& certificates);
  void WaitWritable();
  void OnWritable(int32_t result, uint32_t flags);
  void CountSuccess();
  void End(StreamEnd end);

  io::Reactor& reactor_;
  Receiver& receiver_;
  Wire& wire_;
  NetMetrics& metrics_;
  CertificateDesk* const certificates_;
  void* const owner_;
  const SendEndHandler on_end_;

  std::shared_ptr<const TlsContext> context_;  // Until the session is made.
  base::ByteBuffer* output_ = nullptr;
  std::unique_ptr<TlsSession> session_;
  uint64_t started_us_ = 0;
  bool under_way_ = false;
  bool upgrade_ = false;  // The output is still to be sent in clear.
  StreamEnd abort_ = StreamEnd::kNone;
  io::OpFor<&Handshaker::OnWritable> poll_op_{this};
  CertificateWait certificate_wait_;
};

}  // namespace poplar::net
