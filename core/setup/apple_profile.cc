#include "core/setup/apple_profile.h"

#include <openssl/evp.h>

#include <array>

#include "core/base/check.h"
#include "core/setup/xml_text.h"

namespace poplar::setup {
namespace {

// RFC 9562 §5.8: of a hash, so that it is the same each time.
std::string UuidOf(std::string_view what, std::string_view address) {
  std::string text(what);
  text += '\0';
  text += address;
  std::array<unsigned char, 32> hash;
  POP_CHECK(EVP_Digest(text.data(), text.size(), hash.data(), nullptr, EVP_sha256(), nullptr) == 1);
  hash[6] = static_cast<unsigned char>((hash[6] & 0x0F) | 0x80);
  hash[8] = static_cast<unsigned char>((hash[8] & 0x3F) | 0x80);
  std::string uuid;
  for (size_t i = 0; i < 16; ++i) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    uuid += kDigits[hash[i] >> 4];
    uuid += kDigits[hash[i] & 15];
  }
  return uuid;
}

std::string Text(int depth, std::string_view key, std::string_view value) {
  return XmlElement(depth, "key", key) + XmlElement(depth, "string", value);
}
std::string Number(int depth, std::string_view key, uint16_t value) {
  return XmlElement(depth, "key", key) + XmlElement(depth, "integer", std::to_string(value));
}
std::string True(int depth, std::string_view key) {
  return XmlElement(depth, "key", key) + std::string(static_cast<size_t>(depth) * 2, ' ') +
         "<true/>\n";
}

std::string Server(const std::string& which, const MailServer& server, std::string_view address) {
  constexpr int kDepth = 4;
  return Text(kDepth, which + "MailServerAuthentication", "EmailAuthPassword") +
         Text(kDepth, which + "MailServerHostName", server.host) +
         Number(kDepth, which + "MailServerPortNumber", server.port) +
         True(kDepth, which + "MailServerUseSSL") +
         Text(kDepth, which + "MailServerUsername", address);
}

}  // namespace

std::string AppleProfile(const MailSettings& settings, std::string_view address) {
  POP_CHECK(settings.smtp.has_value());
  POP_CHECK(settings.authentication == Authentication::kPassword);
  const std::string id = "mail." + settings.domain + "." + UuidOf("account", address);
  std::string xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
      "<plist version=\"1.0\">\n  <dict>\n";
  xml += XmlElement(2, "key", "PayloadContent") + "    <array>\n      <dict>\n";
  xml += Text(4, "EmailAccountDescription", settings.domain) +
         Text(4, "EmailAccountType", "EmailTypePOP") + Text(4, "EmailAddress", address) +
         Server("Incoming", settings.pop3.front(), address) +
         Server("Outgoing", *settings.smtp, address) +
         True(4, "OutgoingPasswordSameAsIncomingPassword") +
         Text(4, "PayloadDisplayName", settings.domain) + Text(4, "PayloadIdentifier", id) +
         Text(4, "PayloadType", "com.apple.mail.managed") +
         Text(4, "PayloadUUID", UuidOf("account", address)) + Number(4, "PayloadVersion", 1);
  xml += "      </dict>\n    </array>\n";
  xml += Text(2, "PayloadDisplayName", settings.domain) +
         Text(2, "PayloadIdentifier", "profile." + id) + Text(2, "PayloadType", "Configuration") +
         Text(2, "PayloadUUID", UuidOf("profile", address)) + Number(2, "PayloadVersion", 1);
  return xml + "  </dict>\n</plist>\n";
}

}  // namespace poplar::setup
