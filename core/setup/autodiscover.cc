#include "core/setup/autodiscover.h"

#include <pugixml.hpp>

#include "absl/strings/ascii.h"
#include "core/base/check.h"
#include "core/setup/xml_text.h"

namespace poplar::setup {
namespace {

constexpr std::string_view kBegin =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover "
    "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n";
constexpr std::string_view kResponseSchema =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

std::string_view LocalName(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node Child(const pugi::xml_node& parent, std::string_view name) {
  for (const pugi::xml_node& child : parent.children()) {
    if (child.type() == pugi::node_element && LocalName(child) == name) return child;
  }
  return {};
}

// Without the white space around it, which whoever writes XML may put there.
std::string TextOf(const pugi::xml_node& node) {
  std::string text = node.text().as_string();
  absl::StripAsciiWhitespace(&text);
  return text;
}

// `encryption` is what Outlook calls it where there is more than SSL on or off.
std::string Protocol(std::string_view type, const MailServer& server, std::string_view address) {
  const bool smtp = type == "SMTP";
  std::string xml =
      "      <Protocol>\n" + XmlElement(4, "Type", type) + XmlElement(4, "Server", server.host) +
      XmlElement(4, "Port", std::to_string(server.port)) + XmlElement(4, "DomainRequired", "off") +
      XmlElement(4, "LoginName", address) + XmlElement(4, "SPA", "off") +
      XmlElement(4, "SSL", "on") + XmlElement(4, "Encryption", server.starttls ? "TLS" : "SSL") +
      XmlElement(4, "AuthRequired", "on");
  if (smtp) xml += XmlElement(4, "UsePOPAuth", "on") + XmlElement(4, "SMTPLast", "off");
  return xml + "      </Protocol>\n";
}

}  // namespace

AutodiscoverRequest ParseAutodiscover(std::string_view body) {
  AutodiscoverRequest invalid{AutodiscoverFault::kInvalidRequest, {}};
  if (body.size() > kAutodiscoverBytesMax) return invalid;
  pugi::xml_document document;
  const auto parsed = document.load_buffer(
      body.data(), body.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_auto);
  if (!parsed) return invalid;
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() == pugi::node_doctype) return invalid;
  }
  const pugi::xml_node request = Child(Child(document, "Autodiscover"), "Request");
  const std::string schema = TextOf(Child(request, "AcceptableResponseSchema"));
  std::string address = TextOf(Child(request, "EMailAddress"));
  if (address.empty() || schema.empty()) return invalid;
  if (schema != kResponseSchema) return {AutodiscoverFault::kOtherSchema, {}};
  return {AutodiscoverFault::kNone, std::move(address)};
}

std::string AutodiscoverXml(const MailSettings& settings, std::string_view address) {
  POP_CHECK(settings.authentication == Authentication::kPassword);
  std::string xml(kBegin);
  xml += "  <Response xmlns=\"" + std::string(kResponseSchema) + "\">\n";
  xml += "    <User>\n" + XmlElement(3, "DisplayName", address) + "    </User>\n";
  xml += "    <Account>\n" + XmlElement(3, "AccountType", "email") +
         XmlElement(3, "Action", "settings");
  // Outlook takes the first of a kind.
  xml += Protocol("POP3", settings.pop3.front(), address);
  if (settings.smtp) xml += Protocol("SMTP", *settings.smtp, address);
  return xml + "    </Account>\n  </Response>\n</Autodiscover>\n";
}

std::string AutodiscoverFaultXml(AutodiscoverFault fault) {
  std::string xml(kBegin);
  xml += "  <Response>\n    <Error>\n" +
         XmlElement(3, "ErrorCode", std::to_string(static_cast<int>(fault))) +
         XmlElement(3, "Message",
                    fault == AutodiscoverFault::kOtherSchema ? "Provider is not available"
                                                             : "Invalid Request") +
         "      <DebugData/>\n    </Error>\n  </Response>\n</Autodiscover>\n";
  return xml;
}

}  // namespace poplar::setup
